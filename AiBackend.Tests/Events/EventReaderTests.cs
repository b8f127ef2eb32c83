using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.Core.Events;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.Events;

public sealed class EventReaderTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    private readonly RedisServer _redis = redis;

    private JobEventReader Reader => Core.Get<JobEventReader>();

    [Fact]
    public async Task A_live_reader_and_a_late_reader_see_the_same_events_once_and_in_order()
    {
        var id = await Core.SubmitAsync();
        var live = ReadToEndAsync(id, 0);

        await WriteStoryAsync(id);

        var seen = await live;
        Assert.Equal(Enumerable.Range(1, seen.Count), seen.Select(record => record.Seq));
        Assert.Equal(seen.Select(Describe), (await ReadToEndAsync(id, 0)).Select(Describe));
        Assert.Equal(Story, Fold(seen));
    }

    [Fact]
    public async Task I_9_a_reader_that_resumes_at_any_number_sees_exactly_the_rest()
    {
        var id = await Core.SubmitAsync();
        await WriteStoryAsync(id);
        var all = await ReadToEndAsync(id, 0);

        foreach (var after in Enumerable.Range(0, all.Count))
        {
            var rest = await ReadToEndAsync(id, after);
            Assert.Equal(all.Skip(after).Select(Describe), rest.Select(Describe));
        }
    }

    [Fact]
    public async Task The_final_event_carries_the_job_with_its_output()
    {
        var id = await Core.SubmitAsync();
        await WriteStoryAsync(id);

        var final = (await ReadToEndAsync(id, 0))[^1];

        var job = JsonSerializer.Deserialize(final.Data.Span, WireJson.Default.FinalEvent)!.Job;
        Assert.Equal((id, "completed", Story), (job.Id, job.Status, job.Output!.Text));
    }

    [Fact]
    public async Task I_18_a_reader_reaches_the_end_although_Redis_dies_on_the_way()
    {
        var id = await Core.SubmitAsync();
        var live = ReadToEndAsync(id, 0);
        await Eventually.TrueAsync(() => Core.Get<JobEventFeed>().WatchedCount == 1, "the reader has subscribed");

        await _redis.KillAsync();
        try
        {
            await WriteStoryAsync(id);
            Assert.Equal(Story, Fold(await live));
        }
        finally
        {
            await _redis.StartAsync();
        }
    }

    [Fact]
    public async Task I_18_who_waits_for_the_end_is_told_of_it_although_Redis_dies_on_the_way()
    {
        var id = await Core.SubmitAsync();
        var waiting = Reader.WaitForEndAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel);
        await Eventually.TrueAsync(() => Core.Get<JobEventFeed>().WatchedCount == 1, "somebody waits");

        await _redis.KillAsync();
        try
        {
            await WriteStoryAsync(id);
            Assert.Equal(Story, (await waiting).Output!.Text);
        }
        finally
        {
            await _redis.StartAsync();
        }
    }

    [Fact]
    public async Task A_reader_too_slow_for_its_buffer_still_sees_every_event()
    {
        var id = await Core.SubmitAsync();
        using var running = await Core.ClaimAsync(id);
        var seen = new List<JobEventRecord>();
        await using var reader = Reader.WatchAsync(id, 0, TestRun.Cancel).GetAsyncEnumerator(TestRun.Cancel);
        await reader.MoveNextAsync();
        seen.Add(reader.Current);

        // Each notice is an event of its own: the first lot overflows the buffer, and the second meets a gap in it.
        await using var fast = Reader.WatchAsync(id, 0, TestRun.Cancel).GetAsyncEnumerator(TestRun.Cancel);
        for (var lot = 0; lot < 3; lot++)
        {
            for (var i = 0; i < 400; i++)
            {
                running.AppendNotice("n", $"{i}");
            }

            // What a reader of the same process has seen was offered to the slow one too.
            while (await fast.MoveNextAsync() && fast.Current.Seq < (lot + 1) * 400) { }

            for (var i = 0; i < 10 && await reader.MoveNextAsync(); i++)
            {
                seen.Add(reader.Current);
            }
        }

        await running.EndAsync(AttemptEnd.Succeeded("end"));
        while (await reader.MoveNextAsync())
        {
            seen.Add(reader.Current);
        }

        Assert.Equal(Enumerable.Range(1, seen.Count), seen.Select(record => record.Seq));
        Assert.True(seen.Count > 1000);
    }

    [Fact]
    public async Task F_36_a_page_is_bounded_in_bytes_and_none_of_it_is_lost()
    {
        var id = await Core.SubmitAsync();
        using var running = await Core.ClaimAsync(id);
        for (var i = 0; i < 40; i++)
        {
            running.AppendNotice("n", new string('x', 10_000));
            running.AppendNotice("n", new string('y', EventPage.Bytes));
        }

        await running.EndAsync(AttemptEnd.Succeeded("end"));

        var log = Core.Get<IJobEventLog>();
        var first = await log.ReadAsync(id, 0, 500, TestRun.Cancel);
        Assert.True(first.IsFull);
        Assert.InRange(first.Events.Sum(record => record.Data.Length), EventPage.Bytes, 2 * EventPage.Bytes + 10_000);
        Assert.False((await log.ReadAsync(id, 82, 500, TestRun.Cancel)).IsFull);
        Assert.Equal(Enumerable.Range(1, 83), (await log.ReadAllAsync(id)).Select(record => record.Seq));
        var seen = new List<int>();
        await foreach (var record in Reader.WatchAsync(id, 0, TestRun.Cancel))
        {
            seen.Add(record.Seq);
        }

        Assert.Equal(Enumerable.Range(1, 83), seen);
    }

    [Fact]
    public async Task Readers_that_left_are_forgotten_F_37()
    {
        var id = await Core.SubmitAsync();
        for (var i = 0; i < 20; i++)
        {
            using var leaving = new CancellationTokenSource();
            await using var reader = Reader.WatchAsync(id, 0, leaving.Token).GetAsyncEnumerator(leaving.Token);
            Assert.True(await reader.MoveNextAsync());
            var waiting = reader.MoveNextAsync();
            Assert.Equal(1, Core.Get<JobEventFeed>().WatchedCount);
            await leaving.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await waiting);
        }

        Assert.Equal(0, Core.Get<JobEventFeed>().WatchedCount);
    }

    private static readonly string[] Words = [.. Enumerable.Range(1, 40).Select(i => $"word{i} ")];

    private static string Story => string.Concat(Words);

    private async Task WriteStoryAsync(Guid id)
    {
        using var running = await Core.ClaimAsync(id);
        foreach (var word in Words)
        {
            running.AppendText(word);
            // Let some flushes happen between words; how many is up to the machine.
            await Core.ScalarAsync<int>("SELECT 1");
        }

        Assert.True(await running.EndAsync(AttemptEnd.Succeeded(Story)));
    }

    private async Task<IReadOnlyList<JobEventRecord>> ReadToEndAsync(Guid id, int after)
    {
        var seen = new List<JobEventRecord>();
        await foreach (var record in Reader.WatchAsync(id, after, TestRun.Cancel))
        {
            seen.Add(record);
        }

        return seen;
    }

    private static (int, JobEventKind, string) Describe(JobEventRecord record) =>
        (record.Seq, record.Kind, System.Text.Encoding.UTF8.GetString(record.Data.Span));

    private static string Fold(IEnumerable<JobEventRecord> events) =>
        string.Concat(
            events
                .Where(record => record.Kind == JobEventKind.Delta)
                .Select(record => JsonSerializer.Deserialize(record.Data.Span, WireJson.Default.DeltaEvent)!.Text)
        );
}
