using System.Globalization;
using System.Net.ServerSentEvents;
using System.Text;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Retention;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Web.Runs;

namespace AiBackend.Tests.Retention;

/// <summary>Logs of ended jobs shrink, and nobody who reads them sees another text.</summary>
public sealed class CompactionTests(ApiServer api) : IClassFixture<ApiServer>
{
    // Everything is old to someone who lives in the hour after.
    private static readonly TimeSpan FromNextHour = -TimeSpan.FromHours(1);

    [Fact]
    public async Task I_9_readers_with_any_cursor_fold_to_the_same_text_before_while_and_after_logs_are_compacted()
    {
        var core = await api.WorkerAsync();
        var logs = new Dictionary<Guid, IReadOnlyList<JobEventRecord>>();
        for (var seed = 0; seed < 8; seed++)
        {
            var id = Guid.CreateVersion7();
            logs[id] = RandomLog.Create(id, new Random(seed));
            await RandomLog.StoreAsync(core, id, logs[id]);
        }

        await ReadEveryCursorAsync(logs);
        var compacting = CompactAsync(core);
        await ReadEveryCursorAsync(logs);
        Assert.True(await compacting > 0);
        await ReadEveryCursorAsync(logs);

        Assert.Equal(0, await CompactAsync(core));
        foreach (var (id, log) in logs)
        {
            var replaced = LogFold.Compact(log).Sum(run => run.Last - run.First);
            Assert.Equal(log.Count - replaced, await core.ScalarAsync<int>("SELECT count(*) FROM job_events WHERE job_id = @id", id));
        }

        Assert.Equal(
            0,
            await core.ScalarAsync<int>(
                """
                SELECT count(*) FROM job_events e JOIN job_events f ON f.job_id = e.job_id AND f.seq = e.seq + 1
                 WHERE e.kind = 2 AND f.kind = 2 AND e.data::json ->> 'attempt' = f.data::json ->> 'attempt'
                """
            )
        );
    }

    [Fact]
    public async Task A_job_that_ends_after_the_watermark_has_passed_it_is_compacted_when_it_has_ended()
    {
        var core = await api.WorkerAsync();
        var open = await core.SubmitAsync();
        await CompactAsync(core);
        Assert.Equal(1, await core.ScalarAsync<int>("SELECT count(*) FROM compaction_stragglers WHERE job_id = @id", open));
        using (var running = await core.ClaimAsync(open))
        {
            for (var i = 0; i < 20; i++)
            {
                running.AppendText($"{i} ");
                // A round trip lets a flush happen; how many is up to the machine.
                await core.ScalarAsync<int>("SELECT 1");
            }

            await running.EndAsync(AttemptEnd.Succeeded("whatever"));
        }

        var before = await core.EventsAsync(open);
        await new CompactLogs(core.Database).RunAsync(TimeSpan.FromHours(1), TestRun.Cancel);
        Assert.Equal(before, await core.EventsAsync(open));

        await CompactAsync(core);

        Assert.Equal(0, await core.ScalarAsync<int>("SELECT count(*) FROM compaction_stragglers"));
        Assert.True((await core.EventsAsync(open)).Count(record => record.Kind is JobEventKind.Delta or JobEventKind.Snapshot) == 1);
        Assert.Equal(before[^1], (await core.EventsAsync(open))[^1]);
    }

    [Fact]
    public async Task F_41_two_leaders_who_compact_at_once_leave_what_one_would()
    {
        var core = await api.WorkerAsync();
        var id = Guid.CreateVersion7();
        var log = RandomLog.Create(id, new Random(4));
        await RandomLog.StoreAsync(core, id, log);

        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => CompactAsync(core)));

        await ReadEveryCursorAsync(new() { [id] = log });
    }

    private static async Task<long> CompactAsync(CoreHost core)
    {
        var compact = new CompactLogs(core.Database);
        for (var removed = 0L; ; )
        {
            var (now, more) = await compact.RunAsync(FromNextHour, TestRun.Cancel);
            removed += now;
            if (!more)
            {
                return removed;
            }
        }
    }

    private async Task ReadEveryCursorAsync(Dictionary<Guid, IReadOnlyList<JobEventRecord>> logs)
    {
        foreach (var (id, log) in logs)
        {
            var truth = RandomLog.TextOf(log);
            for (var after = 0; after < log.Count; after++)
            {
                var fold = new RunFold();
                foreach (var record in log.Take(after))
                {
                    fold.Apply(RandomLog.EventOf(record));
                }

                foreach (var entry in await ResumeAsync(id, after))
                {
                    Assert.Equal(FoldOutcome.Applied, fold.Apply(entry));
                }

                Assert.Equal((log.Count, truth), (fold.LastSeq, fold.Text));
            }
        }
    }

    private async Task<IReadOnlyList<RunEvent>> ResumeAsync(Guid id, int after)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/jobs/{id}/events");
        request.Headers.TryAddWithoutValidation("Last-Event-ID", after.ToString(CultureInfo.InvariantCulture));
        using var response = await api.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestRun.Cancel);
        await using var body = await response.Content.ReadAsStreamAsync(TestRun.Cancel);
        var entries = new List<RunEvent>();
        await foreach (var item in SseParser.Create(body).EnumerateAsync(TestRun.Cancel))
        {
            if (item.EventType != JobEventTypes.Final && item.Data.Length == 0)
            {
                continue;
            }

            var seq = int.Parse(item.EventId!, CultureInfo.InvariantCulture);
            var payload = RunEvent.Parse(item.EventType, Encoding.UTF8.GetBytes(item.Data))!;
            // The stored job says nothing of the random text; the fold of the events is what is compared.
            entries.Add(item.EventType == JobEventTypes.Final ? new RunEvent(seq, null) : payload with { Seq = seq });
        }

        return entries;
    }
}
