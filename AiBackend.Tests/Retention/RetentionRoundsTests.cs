using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using AiBackend.Core.DeadLetters;
using AiBackend.Core.Jobs;
using AiBackend.Core.Retention;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Chaos;
using AiBackend.Tests.DeadLetters;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Retention;

/// <summary>What the leader does about age in one round: each part on its own, and nothing in silence.</summary>
public sealed class RetentionRoundsTests(PostgresServer postgres, RedisServer redis)
    : CoreTests(postgres, redis),
        IClassFixture<RedisServer>
{
    private static readonly DateTimeOffset Year2020 = new(2020, 1, 6, 0, 0, 0, TimeSpan.Zero);

    private readonly LogCount _log = new();

    [Fact]
    public async Task A_partition_that_cannot_be_looked_at_keeps_back_nothing_and_is_not_tried_again_at_once()
    {
        await MakeWeeksOf2020Async("broken", "over");
        await Core.ExecuteAsync(
            """
            ALTER FUNCTION job_partition_is_over(text, interval) RENAME TO whole_look;
            CREATE FUNCTION job_partition_is_over(suffix text, keep interval) RETURNS boolean LANGUAGE plpgsql AS $$
            BEGIN
                IF suffix = 'broken' THEN RAISE query_canceled; END IF;
                RETURN whole_look(suffix, keep);
            END $$;
            INSERT INTO alerts (tenant_id, rule, cause, value, resolved_at) VALUES (gen_random_uuid(), 'x', 'y', 1, now() - interval '9 days');
            """,
            Guid.Empty
        );
        var stray = await SubmitAtAsync(Year2020.AddYears(20));
        await Core.EndAsync(stray, AttemptEnd.Succeeded("done"));
        await AgeAsync("jobs_default");

        var pause = await Rounds().PartitionAsync(TestRun.Cancel);

        Assert.Equal("broken", await Core.ScalarAsync<string>("SELECT string_agg(suffix, ' ') FROM job_partitions() WHERE suffix !~ '^w'"));
        Assert.Equal(
            0,
            await Core.ScalarAsync<int>("SELECT count(*) FROM alerts") + await Core.ScalarAsync<int>("SELECT count(*) FROM jobs_default")
        );
        Assert.InRange(pause, TimeSpan.FromMinutes(5), TimeSpan.FromHours(1));
        Assert.Contains(
            _log.Lines,
            line => line.StartsWith("1804 ", StringComparison.Ordinal) && line.Contains("broken", StringComparison.Ordinal)
        );
    }

    [Fact]
    public async Task Dead_letters_that_nobody_dealt_with_do_not_vanish_in_silence()
    {
        await MakeWeeksOf2020Async("over");
        var stray = Year2020.AddYears(20);
        foreach (var moment in new[] { Year2020, Year2020, Year2020, stray, stray })
        {
            await Core.DieAsync(draft: DraftAt(moment));
        }

        await Core.ExecuteAsync(
            "UPDATE dead_letters SET discarded_at = now() WHERE job_id IN ((SELECT min(id::text)::uuid FROM jobs), (SELECT max(id::text)::uuid FROM jobs))",
            Guid.Empty
        );
        await AgeAsync("jobs_default");
        await AgeAsync("jobs_over");
        using var counted = new ExpiredLetters(Core);

        await Rounds().PartitionAsync(TestRun.Cancel);

        Assert.Equal(0, await Core.ScalarAsync<int>("SELECT count(*) FROM dead_letters"));
        Assert.Equal([2, 1], counted.Values);
        Assert.Equal(2, _log.Lines.Count(line => line.StartsWith("1803 ", StringComparison.Ordinal)));
        Assert.Contains(
            _log.Lines,
            line =>
                line.StartsWith("1803 2 dead letters", StringComparison.Ordinal)
                && line.Contains("(partition over)", StringComparison.Ordinal)
        );
    }

    [Fact]
    public async Task What_is_left_of_sessions_keys_and_jobs_that_are_over_is_forgotten_and_what_is_in_use_stays()
    {
        var kept = await Core.SubmitAsync();
        await Core.ExecuteAsync(
            $$"""
            INSERT INTO users (id, organisation_id, email, name, role, password)
            VALUES ('{{ApiKeyStore.DefaultTenant}}', '{{ApiKeyStore.DefaultTenant}}', 'a@b.example', 'a', 0, '-');
            INSERT INTO sessions (hash, user_id, tenant_id, created_at)
            SELECT h::bytea, '{{ApiKeyStore.DefaultTenant}}', '{{ApiKeyStore.DefaultTenant}}', at
              FROM (VALUES ('old', now() - interval '26 hours'), ('new', now())) v (h, at);
            INSERT INTO api_keys (key_id, tenant_id, name, hash, scopes, expires_at)
            SELECT k, '{{ApiKeyStore.DefaultTenant}}', k, '-', '{}', until FROM (VALUES ('used', NULL), ('over', now())) v (k, until);
            INSERT INTO key_windows SELECT k, 0, '{{ApiKeyStore.DefaultTenant}}', now() - interval '2 hours', 1 FROM unnest(ARRAY['used', 'over', 'gone']) k;
            INSERT INTO deleted_details SELECT j, '{{ApiKeyStore.DefaultTenant}}', now() - interval '2 hours'
              FROM unnest(ARRAY['{{kept}}', '{{Guid.CreateVersion7()}}']::uuid[]) j;
            """,
            Guid.Empty
        );

        await Rounds().PartitionAsync(TestRun.Cancel);

        Assert.Equal(
            $"new used {kept}",
            await Core.ScalarAsync<string>(
                """
                SELECT (SELECT string_agg(convert_from(hash, 'UTF8'), ',') FROM sessions) || ' ' || (SELECT string_agg(key_id, ',') FROM key_windows)
                       || ' ' || (SELECT string_agg(job_id::text, ',') FROM deleted_details)
                """
            )
        );
    }

    private RetentionRounds Rounds() =>
        new(
            new JobPartitions(Core.Database),
            new CompactLogs(Core.Database),
            new PruneDeadLetters(Core.Database),
            new PruneRemains(Core.Database),
            new RetentionMetrics(Core.Get<IMeterFactory>()),
            Options.Create(new RetentionOptions { Jobs = TimeSpan.FromDays(2) }),
            LoggerFactory.Create(logging => logging.AddProvider(_log)).CreateLogger<RetentionRounds>()
        );

    /// <summary>The partitions of an installation that was there in 2020; the first one, of before, is gone.</summary>
    private async Task MakeWeeksOf2020Async(params string[] suffixes)
    {
        Assert.NotNull(await new JobPartitions(Core.Database).DropIfOverAsync("first", -TimeSpan.FromDays(14), TestRun.Cancel));
        for (var i = 0; i < suffixes.Length; i++)
        {
            var (from, to) = (JobIds.FirstOf(Year2020.AddDays(7 * i)), JobIds.FirstOf(Year2020.AddDays(7 * (i + 1))));
            await Core.ScalarAsync<string>($"SELECT add_job_week('{suffixes[i]}', '{from}', '{to}')::text");
        }
    }

    private Task AgeAsync(string table) =>
        Core.ExecuteAsync(
            $"ALTER TABLE {table} DISABLE TRIGGER ALL; UPDATE {table} SET finished_at = now() - interval '9 days'; ALTER TABLE {table} ENABLE TRIGGER ALL",
            Guid.Empty
        );

    private static JobDraft DraftAt(DateTimeOffset moment) => CoreHost.Draft() with { Id = new JobIds(new FixedClock(moment)).Next() };

    private Task<Guid> SubmitAtAsync(DateTimeOffset moment) => Core.SubmitAsync(DraftAt(moment));

    private sealed class FixedClock(DateTimeOffset now) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => now;
    }

    private sealed class ExpiredLetters : IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly ConcurrentQueue<long> _values = new();

        public ExpiredLetters(CoreHost host)
        {
            var meter = host.Get<IMeterFactory>().Create("AiBackend.Jobs");
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter == meter && instrument.Name == "aibackend.job.dead_letters.expired")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<long>((_, value, _, _) => _values.Enqueue(value));
            _listener.Start();
        }

        public IEnumerable<long> Values => _values;

        public void Dispose() => _listener.Dispose();
    }
}
