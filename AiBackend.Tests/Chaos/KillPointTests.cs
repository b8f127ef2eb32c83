using System.Net;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;
using Npgsql;

namespace AiBackend.Tests.Chaos;

/// <summary>Processes that end themselves between two steps of a job: the Api in a submit (F-1), a worker in an attempt (F-2).</summary>
[Collection(StackCollection.Name)]
public sealed class KillPointTests(StackFixture fixture) : IDisposable
{
    private const int Armed = 0;
    private const int Other = 1;

    private readonly Stack _stack = fixture.Stack;
    private readonly JobClient _client = new(fixture.Stack);
    private readonly FaultInjection _faults = new(fixture.Stack);

    /// <param name="point">Where it dies.</param>
    /// <param name="plan">How.</param>
    /// <param name="replayed">What the repeat must be told; null when only Postgres knows whether the first was committed.</param>
    [Theory]
    [InlineData("K1", "K1:kill", false)]
    [InlineData("K2", "K2:kill", null)]
    [InlineData("K3", "K3:kill", true)]
    // Stands still until its caller has the answer, and is killed then.
    [InlineData("K4", "K4:stall=60s", true)]
    [InlineData("K5", "K5:kill", true)]
    public async Task F_1_an_Api_killed_at_any_point_of_a_submit_leaves_one_job_and_the_repeat_finds_it(
        string point,
        string plan,
        bool? replayed
    )
    {
        var model = await _client.TeachWordsAsync(words: 3, intervalMs: 1);
        var key = $"{Guid.CreateVersion7():N}";
        await _faults.ArmAsync("api", plan);

        var first = await TrySubmitAsync(model, key);
        await _faults.ReachedAsync(point);
        if (point is "K4")
        {
            _stack.Processes.Kill("api");
        }

        var repeat = await Eventually.GetAsync(
            _ => TrySubmitAsync(model, key),
            answer => answer is not null,
            "the Api is back",
            TimeSpan.FromSeconds(60)
        );

        // At K5 the answer is on its way while another task writes to Redis: it may have gone out.
        Assert.True(point == "K5" || point == "K4" == first is not null);
        Assert.Equal(replayed ?? repeat!.Replayed, repeat!.Replayed);
        Assert.Equal(first?.Id ?? repeat.Id, repeat.Id);
        Assert.Equal(JobStatuses.Completed, (await _client.EndAsync(repeat.Id)).Status);
        Assert.Equal(1, Scalar($"SELECT count(*) FROM jobs WHERE model = '{model}'"));
        Assert.Equal(1, Scalar($"SELECT count(*) FROM job_attempts WHERE job_id = '{repeat.Id}'"));
    }

    [Fact]
    public async Task F_2_a_worker_killed_at_any_point_of_an_attempt_loses_no_job_and_runs_none_twice()
    {
        // Those that lose an attempt come late, so that few of the kills that follow can hit them again.
        List<Run> runs = [];
        foreach (var point in (string[])["K6", "K12", "K13", "K7", "K8", "K9", "K10", "K11", "K17", "K16"])
        {
            runs.Add(await KillAtAsync(point));
        }

        foreach (var (point, id, words, following) in runs)
        {
            var reading = await following;
            Assert.Equal((JobStatuses.Completed, JobClient.Words(words)), (reading.Final!.Status, reading.Text));
            Assert.Equal(1, reading.Finals);
            Assert.Equal(1, Scalar($"SELECT count(*) FROM job_events WHERE job_id = '{id}' AND kind = 7"));
            var outcomes = (await _client.TraceAsync(id)).Attempts.Select(attempt => attempt.Outcome).ToList();
            Assert.Equal("succeeded", outcomes[^1]);
            if (point is "K12" or "K13")
            {
                Assert.Single(outcomes);
            }
            else if (point is not "K6")
            {
                Assert.Equal("lost", outcomes[0]);
            }

            Assert.All(outcomes.SkipLast(1), outcome => Assert.Equal("lost", outcome));
            var calls = await CallCountAsync(reading.Final.Model);
            // A worker that died between its claim and its call has asked nobody.
            Assert.InRange(calls, 1, point is "K7" or "K8" ? outcomes.Count - 1 : outcomes.Count);
        }
    }

    public void Dispose() => _faults.Dispose();

    private async Task<Run> KillAtAsync(string point)
    {
        var words = point is "K16" or "K17" ? 300 : 20;
        var model = await _client.TeachWordsAsync(words, intervalMs: 15);
        var plan =
            point is "K6" or "K16" or "K17" ? $"{point}:kill"
            : point is "K10" ? $"K10[{model}]:kill@5"
            : $"{point}[{model}]:kill";
        await _faults.ArmAsync("worker", plan, Armed);
        _stack.FreezeWorker(Other);
        try
        {
            var id = await _client.SubmitAsync(model);
            var following = _client.FollowAsync(id);
            if (point is "K17")
            {
                await Eventually.TrueAsync(async token => (await _client.GetAsync(id, token)).Attempt == 1, "the job has started");
                _stack.Processes.Send("worker", AiBackend.LocalHost.Supervision.Signal.Terminate, Armed);
            }

            await _faults.ReachedAsync(point);
            return new(point, id, words, following);
        }
        finally
        {
            _stack.ThawWorker(Other);
        }
    }

    /// <returns>Null when no answer came, or one that says nothing about the job.</returns>
    private async Task<Answer?> TrySubmitAsync(string model, string key)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs");
        request.Headers.Add("Idempotency-Key", key);
        request.Content = JsonContent.Create(
            new
            {
                type = "chat",
                model,
                input = new { messages = new[] { new { role = "user", content = "Go on." } } },
            }
        );
        try
        {
            using var response = await _stack.Api.SendAsync(request, TestRun.Cancel);
            if (response.StatusCode != HttpStatusCode.Accepted)
            {
                return null;
            }

            var job = JsonSerializer.Deserialize(await response.Content.ReadAsByteArrayAsync(TestRun.Cancel), WireJson.Default.Job)!;
            return new(job.Id, response.Headers.Contains("Idempotent-Replayed"));
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }

    private async Task<int> CallCountAsync(string model)
    {
        var log = await _stack.Simulator.GetFromJsonAsync<JsonElement>($"/sim/calls?model={model}", TestRun.Cancel);
        return log.GetProperty("data").GetArrayLength();
    }

    private long Scalar(string sql)
    {
        using var source = NpgsqlDataSource.Create(_stack.Postgres + ";Pooling=false");
#pragma warning disable CA2100 // Constants and ids of the tests.
        using var command = source.CreateCommand(sql);
#pragma warning restore CA2100
        return (long)command.ExecuteScalar()!;
    }

    private sealed record Answer(Guid Id, bool Replayed);

    private sealed record Run(string Point, Guid Id, int Words, Task<Reading> Following);
}
