using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Text;
using AiBackend.Core.Alerts;
using AiBackend.Core.DeadLetters.Alerts;
using AiBackend.Core.Events;
using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;
using AiBackend.Core.Redis;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using Npgsql;

namespace AiBackend.Tests.Events;

/// <summary>Somebody who can write to Redis, and not to Postgres.</summary>
public sealed class ForgedMessageTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    private const string Events = "aib:events";
    private const string Cancels = "aib:cancels";
    private const string Stream = "aib:{default}:ready";
    private const int Flood = 20_000;

    private RedisConnection Redis => Core.Get<RedisConnection>();

    // What is asked of Redis here takes it longer than what the product asks.
    protected override IEnumerable<(string Key, string Value)> HostSettings => [("Redis:Timeout", "00:00:20")];

    [Fact]
    public async Task A_73_events_that_none_of_us_sent_are_shown_to_no_reader_and_counted()
    {
        using var counted = new ForgedCount(Core.Get<IMeterFactory>());
        // Who listens is asked for in the background; what is sent before that, nobody hears.
        await Eventually.TrueAsync(
            async _ =>
                (StackExchange.Redis.RedisResult[]?)await Redis.ExecuteAsync("PUBSUB", "NUMSUB", Events) is [_, var listening]
                && (long)listening == 1,
            "the readers of this process listen"
        );
        var id = await Core.SubmitAsync();
        await using var reader = Core.Get<JobEventReader>().WatchAsync(id, 0, TestRun.Cancel).GetAsyncEnumerator(TestRun.Cancel);
        Assert.True(await reader.MoveNextAsync());
        var forged = EventBundle.Encode([
            new JobEventRecord(id, 2, JobEventKind.Delta, Encoding.UTF8.GetBytes("""{"attempt":1,"text":"forged"}""")),
        ]);
        var ofCancels = await Core.Get<MessageSeal>().SealAsync(Cancels, forged);
        var changed = await Core.Get<MessageSeal>().SealAsync(Events, forged);
        changed[^20] ^= 1;
        byte[][] messages =
        [
            [],
            [1],
            forged,
            [.. forged, .. new byte[16]],
            ofCancels,
            changed,
            new byte[1 << 20],
        ];

        foreach (var message in messages)
        {
            await Redis.PublishAsync(Events, message);
        }

        // Messages of one channel arrive in their order: whatever is shown of those is shown before this.
        using (var running = await Core.ClaimAsync(id))
        {
            running.AppendText("true");
            await running.EndAsync(AttemptEnd.Succeeded("true"));
        }

        var seen = new List<JobEventRecord> { reader.Current };
        while (await reader.MoveNextAsync())
        {
            seen.Add(reader.Current);
        }

        Assert.DoesNotContain(
            "forged",
            string.Concat(seen.Select(record => Encoding.UTF8.GetString(record.Data.Span))),
            StringComparison.Ordinal
        );
        Assert.Equal(Enumerable.Range(1, seen.Count), seen.Select(record => record.Seq));
        await Eventually.TrueAsync(() => counted.Value >= messages.Length, "all of them are counted");
        Assert.Equal(messages.Length, counted.Value);
    }

    [Fact]
    public async Task A_73_messages_that_none_of_us_sent_raise_one_alert_for_operators_and_their_number_is_kept()
    {
        await Core.Get<CancelSignals>().SubscribeAsync(_ => { });
        for (var i = 0; i < 3; i++)
        {
            await Redis.PublishAsync(Cancels, [1]);
        }

        await Eventually.TrueAsync(async _ => await Core.ScalarAsync<long>("SELECT count(*) FROM forged_messages") == 1, "it is put down");
        var raised = await Task.WhenAll(Core.Get<RaiseAlerts>().RunAsync(TestRun.Cancel), Core.Get<RaiseAlerts>().RunAsync(TestRun.Cancel));
        var alert = Assert.Single(await Core.Get<AlertReads>().ListAsync(ApiKeyStore.DefaultTenant, resolved: false, TestRun.Cancel));
        await Core.Get<IMessageStore>().NoteForgedAsync(Cancels, 2, TestRun.Cancel);

        Assert.Equal((1, AlertRules.RedisForged), (raised.Sum(), alert.Rule));
        Assert.StartsWith($"What came over Redis on '{Cancels}' until ", alert.Message, StringComparison.Ordinal);
        Assert.Equal(3, await Core.ScalarAsync<long>("SELECT messages FROM forged_messages"));
        await Core.ExecuteAsync("UPDATE forged_messages SET latest_at = now() - interval '3 minutes' WHERE @id IS NOT NULL", Guid.Empty);
        Assert.Empty(await new ForgedMessageAlerts(Core.Get<NpgsqlDataSource>()).FindAsync(TestRun.Cancel));
    }

    [Fact]
    public async Task A_73_a_cancel_that_none_of_us_sent_is_heard_by_nobody()
    {
        var (job, other) = (await Core.SubmitAsync(), Guid.CreateVersion7());
        var heard = new ConcurrentQueue<Guid>();
        await Core.Get<CancelSignals>().SubscribeAsync(heard.Enqueue);

        await Redis.PublishAsync(Cancels, other.ToByteArray(bigEndian: true));
        await Redis.PublishAsync(Cancels, [.. other.ToByteArray(bigEndian: true), .. new byte[16]]);
        Core.Get<IJobSignals>().CancelRequested(job);

        await Eventually.TrueAsync(() => !heard.IsEmpty, "ours is heard");
        Assert.Equal([job], heard);
    }

    [Fact]
    public Task A_73_entries_of_jobs_that_do_not_exist_claim_nothing_and_hide_no_job() => FloodAsync(Flood);

    [Fact]
    [Trait("Category", "Long")]
    public Task A_73_nor_do_a_million_of_them() => FloodAsync(1_000_000);

    private async Task FloodAsync(int entries)
    {
        var queue = Core.Get<IReadyQueue>();
        await queue.ReadAsync("a", 1);
        // Not all at once: Redis does nothing else meanwhile.
        for (var first = 0; first < entries; first += Flood)
        {
            await Redis.ExecuteAsync(
                "EVAL",
                $"for i = {first}, {first + Flood - 1} do redis.call('XADD', KEYS[1], '*', 'id', string.format('%016d', i)) end return 0",
                1,
                Stream
            );
        }

        var read = 0;
        while (await queue.ReadAsync("a", 1_000) is { Count: > 0 } some)
        {
            read += some.Count;
            Assert.Empty(await ClaimAsync(some));
            await queue.AcknowledgeAsync([.. some.Select(entry => entry.EntryId)]);
        }

        var job = await Core.SubmitAsync();
        var mine = await Eventually.GetAsync(_ => queue.ReadAsync("a", 10), found => found.Count > 0, "the job is offered");

        Assert.Equal(entries, read);
        Assert.Equal(job, Assert.Single(await ClaimAsync(mine)).Lease.JobId);
    }

    private Task<IReadOnlyList<ClaimedJob>> ClaimAsync(IEnumerable<ReadyEntry> entries) =>
        Core.Get<ClaimJobs>().RunAsync(Core.WorkerId, entries.Select(entry => entry.JobId), CoreHost.Lease, TestRun.Cancel);

    private sealed class ForgedCount : IDisposable
    {
        private readonly MeterListener _listener = new();
        private long _value;

        public ForgedCount(IMeterFactory meters)
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Scope == meters && instrument.Name == "aibackend.redis.forged")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<long>((_, value, _, _) => Interlocked.Add(ref _value, value));
            _listener.Start();
        }

        public long Value => Interlocked.Read(ref _value);

        public void Dispose() => _listener.Dispose();
    }
}
