using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Simulator;

namespace AiBackend.Tests.Worker;

/// <summary>F-23: a model has become slow. Its jobs wait for themselves; nobody else's do.</summary>
public sealed class SlowProviderTests(PostgresServer postgres, SimulatorServer simulator) : IClassFixture<SimulatorServer>
{
    [Fact]
    public async Task F_23_a_model_that_has_become_slow_fills_the_slots_and_its_line_grows_while_other_models_are_answered_at_once()
    {
        const int Slots = 16;
        var slow = await simulator.ModelAsync(
            new
            {
                ttft_ms = 600_000,
                tokens_per_second = 5,
                words = 300,
            }
        );
        var quick = await simulator.ModelAsync(new { words = 2 });
        await using var stack = await WorkersBehindApi.StartAsync(
            postgres,
            simulator.Address,
            [slow, quick],
            workers: 2,
            ("Worker__MaxConcurrentJobs", $"{Slots}"),
            ("AIBACKEND_PROVIDERS__0__FIRST_TOKEN_TIMEOUT_SECONDS", "900")
        );
        var patient = await stack.Api.SubmitAsync(Chat(slow));
        await UntilAsync(stack, patient.Id, job => job.Status == "processing", "it is asked");
        var hasty = await stack.Api.SubmitAsync(Chat(slow, TimeSpan.FromSeconds(8)));
        for (var job = 0; job < 5 * Slots; job++)
        {
            await stack.Api.SubmitAsync(Chat(slow));
        }

        await Eventually.TrueAsync(async _ => await stack.CountAsync("status = 2") >= 2 * Slots, "all slots are taken");
        Assert.InRange(await DepthAsync(stack), 2 * Slots, 5 * Slots);
        for (var job = 0; job < 10; job++)
        {
            var other = await stack.Api.SubmitAsync(Chat(quick));
            await UntilAsync(stack, other.Id, each => each.Status == "completed", "another model is answered");
        }

        // 1.5 s on a quiet machine: a look each quarter of a second, and what waits for longer than that. Behind the slow ones it would be ten minutes.
        Assert.InRange(await WaitAsync(stack, quick), 0, 60_000);
        Assert.Equal("processing", (await stack.Api.GetJobAsync(patient.Id)).Status);
        var late = await UntilAsync(stack, hasty.Id, job => job.Status == "failed", "its deadline is honoured");
        Assert.Equal("deadline_exceeded", late.Error!.Code);
        Assert.InRange((late.FinishedAt!.Value - hasty.CreatedAt).TotalSeconds, 7, 120);
    }

    private static string Chat(string model, TimeSpan? deadline = null)
    {
        var due = deadline is { } left ? $",\"deadline\":\"{TimeProvider.System.GetUtcNow() + left:O}\"" : "";
        return ApiServer.Chat[..^1] + $",\"model\":\"{model}\"{due}}}";
    }

    private static Task<Job> UntilAsync(WorkersBehindApi stack, Guid id, Func<Job, bool> accept, string what) =>
        Eventually.GetAsync(_ => stack.Api.GetJobAsync(id), accept, what, TimeSpan.FromSeconds(30));

    private static async Task<long> DepthAsync(WorkersBehindApi stack)
    {
        var stats = await stack.Api.Http.GetFromJsonAsync("/api/v1/stats", WireJson.Default.Stats, TestRun.Cancel);
        return stats!.Queue.Sum(depth => depth.Depth);
    }

    /// <summary>Milliseconds that half of the jobs waited at most.</summary>
    private static Task<long> WaitAsync(WorkersBehindApi stack, string model) =>
        stack.ScalarAsync(
            $"""
            SELECT (1000 * percentile_disc(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM a.started_at - j.created_at)))::bigint
              FROM jobs j JOIN job_attempts a ON a.job_id = j.id WHERE j.model = '{model}'
            """
        );
}
