using System.Globalization;
using System.Text.Json;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Tests.Fixtures;
using Npgsql;

namespace AiBackend.Tests.EndToEnd;

/// <summary>What happens to jobs when a part of the running stack dies: each ends exactly once, and readers see the truth.</summary>
[Collection(StackCollection.Name)]
public sealed class CrashTests(StackFixture fixture)
{
    private Task UntilProcessingAsync() =>
        Eventually.TrueAsync(async _ => await CountAsync("SELECT count(*) FROM jobs WHERE status = 2") > 0, "jobs are being processed");

    private const int WordCount = 150;

    // Characters: some words.
    private const int Some = 30;

    private readonly Stack _stack = fixture.Stack;
    private readonly JobClient _client = new(fixture.Stack);

    [Fact]
    public async Task F_2_a_worker_killed_mid_stream_loses_no_job_and_readers_see_only_the_second_attempt()
    {
        var (id, model) = await SubmitSlowStoryAsync();
        var killed = 0;
        var quick = Task.CompletedTask;

        var reading = await _client.FollowAsync(
            id,
            seen =>
            {
                if (killed == 0 && seen.Text.Length > Some)
                {
                    killed = Process(Holder(id), AiBackend.LocalHost.Supervision.Signal.Kill);
                    quick = _client.TeachWordsAsync(model, WordCount, intervalMs: 5);
                }
            }
        );

        await quick;
        Assert.NotEqual(0, killed);
        Assert.Equal(1, reading.Resets);
        await AssertEndedOnceAsync(id, reading);
        var attempts = (await _client.TraceAsync(id)).Attempts;
        Assert.Equal(["lost", "succeeded"], attempts.Select(attempt => attempt.Outcome));
    }

    [Fact]
    public async Task F_4_a_frozen_worker_that_wakes_up_after_its_lease_is_heard_by_nobody_and_its_call_is_aborted()
    {
        var (id, model) = await SubmitSlowStoryAsync();
        var replica = -1;
        var quick = Task.CompletedTask;

        var reading = await _client.FollowAsync(
            id,
            seen =>
            {
                if (replica < 0 && seen.Text.Length > Some)
                {
                    replica = Holder(id);
                    _stack.FreezeWorker(replica);
                    quick = _client.TeachWordsAsync(model, WordCount, intervalMs: 5);
                }
            }
        );
        await quick;
        var atEnd = await EventCountAsync(id);
        _stack.ThawWorker(replica);

        // Whether it notices by its own clock or by the fence depends on what it does first; LeaseTests has the fence alone.
        await Eventually.TrueAsync(async _ => !(await CallsOfAsync(id)).Contains("running"), "the zombie's provider call is aborted");
        Assert.Equal(atEnd, await EventCountAsync(id));
        await AssertEndedOnceAsync(id, reading);
    }

    [Fact]
    public async Task F_1_readers_of_a_killed_Api_resume_where_they_were()
    {
        var (id, reading) = await CutOffAsync();
        if (reading.Reconnects == 0)
        {
            // Its reader was so late that all had been sent when the Api died.
            (id, reading) = await CutOffAsync();
        }

        Assert.True(reading.Reconnects > 0);
        Assert.Equal(0, reading.Resets);
        await AssertEndedOnceAsync(id, reading);

        async Task<(Guid, Reading)> CutOffAsync()
        {
            var story = await SubmitStoryAsync();
            var killed = false;
            return (
                story,
                await _client.FollowAsync(
                    story,
                    seen =>
                    {
                        if (!killed && seen.Text.Length > Some)
                        {
                            killed = true;
                            _stack.Processes.Kill("api");
                        }
                    }
                )
            );
        }
    }

    [Fact]
    public async Task F_12_jobs_end_once_although_Redis_forgets_everything()
    {
        var readings = StartStoriesAsync(10);
        await UntilProcessingAsync();

        for (var i = 0; i < 5; i++)
        {
            await FlushRedisAsync();
            await Task.WhenAny(readings, Task.Delay(300, TestRun.Cancel));
        }

        await AssertAllEndedOnceAsync(await readings);
    }

    [Fact]
    public async Task F_9_jobs_end_once_although_Redis_is_killed_and_stays_away_for_a_while()
    {
        var readings = StartStoriesAsync(10);
        await UntilProcessingAsync();

        _stack.Processes.Kill("redis");
        await _stack.Processes.StopAsync("redis", TestRun.Cancel);
        var without = await _client.FollowAsync(await _client.SubmitAsync(await _client.TeachWordsAsync(5, 5)));
        await _stack.Processes.StartAsync("redis", TestRun.Cancel);

        Assert.Equal(JobClient.Words(5), without.Text);
        await AssertAllEndedOnceAsync(await readings);
    }

    [Fact]
    public async Task F_17_jobs_end_once_although_Postgres_restarts_under_them()
    {
        var readings = StartStoriesAsync(10);
        await UntilProcessingAsync();

        await _stack.RestartPostgresAsync();

        await AssertAllEndedOnceAsync(await readings);
    }

    [Fact]
    public async Task F_7_I_21_a_worker_told_to_stop_finishes_or_gives_back_and_nothing_waits_for_a_lease()
    {
        var id = await _client.SubmitAsync(await _client.TeachWordsAsync(words: 400, intervalMs: 20));
        await Eventually.TrueAsync(async token => (await _client.GetAsync(id, token)).Attempt == 1, "the job has started");
        var replica = Holder(id);
        var pid = Process(replica, AiBackend.LocalHost.Supervision.Signal.Terminate);

        var job = await _client.EndAsync(id);

        Assert.Equal((JobStatuses.Completed, JobClient.Words(400)), (job.Status, job.Output!.Text));
        var attempts = (await _client.TraceAsync(id)).Attempts;
        Assert.Equal(["interrupted", "succeeded"], attempts.Select(attempt => attempt.Outcome));
        // A lease lasts 10 s: the second attempt began at once, not when the first one's lease ran out.
        Assert.True(attempts[1].StartedAt - attempts[0].EndedAt < TimeSpan.FromSeconds(5));
        await _stack.Processes.WaitForRestartAsync("worker", pid, replica, TestRun.Cancel);
    }

    [Fact]
    public async Task EX_4_a_cancelled_job_stops_its_provider_call_and_keeps_what_was_written()
    {
        var id = await _client.SubmitAsync(await _client.TeachWordsAsync(words: 2000, intervalMs: 20));
        await Eventually.TrueAsync(async _ => await EventCountAsync(id) > 5, "text is being written");

        await _client.CancelAsync(id);

        var job = await _client.EndAsync(id, TimeSpan.FromSeconds(5));
        Assert.Equal(JobStatuses.Cancelled, job.Status);
        Assert.StartsWith("word1 word2", job.Output!.Text, StringComparison.Ordinal);
        Assert.Equal(job.Output.Text, (await _client.FollowAsync(id)).Text);
        await Eventually.TrueAsync(
            async _ => (await CallsOfAsync(id)).SequenceEqual(["client_aborted"]),
            "the provider call is aborted within a second",
            TimeSpan.FromSeconds(2)
        );
    }

    [Fact]
    public async Task I_9_a_reader_that_disconnects_and_resumes_at_random_folds_to_the_stored_text()
    {
        var id = await SubmitStoryAsync();
        var random = new Random(4711);
        var reading = new Reading();

        while (!reading.HasEnded)
        {
            var left = random.Next(1, 12);
            await foreach (var item in _client.EventsAsync(id, reading.LastSeq, TestRun.Cancel))
            {
                reading.Take(int.Parse(item.EventId!, CultureInfo.InvariantCulture), item.EventType, item.Data);
                if (--left == 0)
                {
                    break;
                }
            }
        }

        await AssertEndedOnceAsync(id, reading);
    }

    /// <summary>One that lasts half a minute: what is to happen in its middle does so on whatever machine. Whoever begins it anew may be quicker.</summary>
    private async Task<(Guid Id, string Model)> SubmitSlowStoryAsync()
    {
        var model = await _client.TeachWordsAsync(WordCount, intervalMs: 200);
        return (await _client.SubmitAsync(model), model);
    }

    private async Task<Guid> SubmitStoryAsync() => await _client.SubmitAsync(await _client.TeachWordsAsync(WordCount, intervalMs: 20));

    private async Task<(Guid Id, Reading Reading)[]> StartStoriesAsync(int count)
    {
        var model = await _client.TeachWordsAsync(WordCount, intervalMs: 20);
        return await Task.WhenAll(
            Enumerable
                .Range(0, count)
                .Select(async _ =>
                {
                    var id = await _client.SubmitAsync(model);
                    return (id, await _client.FollowAsync(id));
                })
        );
    }

    private async Task AssertAllEndedOnceAsync(IEnumerable<(Guid Id, Reading Reading)> stories)
    {
        foreach (var (id, reading) in stories)
        {
            await AssertEndedOnceAsync(id, reading);
        }
    }

    /// <summary>I-1, I-8, I-9: ended once, complete, no gap in the log, and the reader's text is the stored one.</summary>
    private async Task AssertEndedOnceAsync(Guid id, Reading reading)
    {
        var job = await _client.GetAsync(id, TestRun.Cancel);
        Assert.Equal((JobStatuses.Completed, JobClient.Words(WordCount)), (job.Status, job.Output!.Text));
        Assert.Equal(job.Output.Text, reading.Text);
        Assert.Equal(1, reading.Finals);
        Assert.Equal(1, await FinalCountAsync(id));
        Assert.Equal(reading.LastSeq, await EventCountAsync(id));
    }

    /// <summary>The replica whose lease the job is under.</summary>
    private int Holder(Guid id) =>
        _stack.ReplicaOf(Scalar<string>($"SELECT w.name FROM jobs j JOIN workers w ON w.id = j.worker_id WHERE j.id = '{id}'"));

    private int Process(int replica, AiBackend.LocalHost.Supervision.Signal signal) => _stack.Processes.Send("worker", signal, replica);

    private Task<long> EventCountAsync(Guid id) => CountAsync($"SELECT count(*) FROM job_events WHERE job_id = '{id}'");

    private Task<long> FinalCountAsync(Guid id) => CountAsync($"SELECT count(*) FROM job_events WHERE job_id = '{id}' AND kind = 7");

    private Task<long> CountAsync(string sql) => Task.FromResult(Scalar<long>(sql));

    private T Scalar<T>(string sql)
    {
        using var source = NpgsqlDataSource.Create(_stack.Postgres + ";Pooling=false");
#pragma warning disable CA2100 // Constants and ids of the tests.
        using var command = source.CreateCommand(sql);
#pragma warning restore CA2100
        return (T)command.ExecuteScalar()!;
    }

    /// <summary>How the provider calls of a job's model ended, by the provider's own log.</summary>
    private async Task<IReadOnlyList<string>> CallsOfAsync(Guid id)
    {
        var job = await _client.GetAsync(id, TestRun.Cancel);
        var log = await _stack.Simulator.GetFromJsonAsync<JsonElement>($"/sim/calls?model={job.Model}", TestRun.Cancel);
        return [.. log.GetProperty("data").EnumerateArray().Select(call => call.GetProperty("outcome").GetString()!)];
    }

    private async Task FlushRedisAsync()
    {
        var options = StackExchange.Redis.ConfigurationOptions.Parse(_stack.Redis);
        options.AllowAdmin = true;
#pragma warning disable RS0030 // A client of the test's own.
        using var redis = await StackExchange.Redis.ConnectionMultiplexer.ConnectAsync(options);
#pragma warning restore RS0030
        await redis.GetServer(options.EndPoints[0]).FlushAllDatabasesAsync();
    }
}
