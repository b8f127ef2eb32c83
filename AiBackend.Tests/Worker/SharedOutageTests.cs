using System.Net;
using AiBackend.Core.Operations;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Simulator;

namespace AiBackend.Tests.Worker;

/// <summary>F-29 as it is in service: every provider is down, several worker processes find out, and callers ask the Api.</summary>
public sealed class SharedOutageTests(PostgresServer postgres, SimulatorServer simulator) : IClassFixture<SimulatorServer>
{
    [Fact]
    [Trait("Category", "Long")]
    public async Task F_29_all_workers_together_ask_a_provider_that_is_down_once_in_five_seconds_and_all_go_on_when_it_is_well()
    {
        const int Jobs = 24;
        string[] models = [await DownAsync(), await DownAsync()];
        await using var stack = await StackAsync(models, openFor: "00:00:01");

        for (var job = 0; job < Jobs; job++)
        {
            await stack.Api.SubmitAsync(Chat(models[job % 2]));
        }

        await UntilAllSayAsync(stack, models);
        var since = TimeProvider.System.GetUtcNow();
        // As many calls as two workers with two models would make in three seconds, were each to find out for itself.
        await Eventually.TrueAsync(
            async token =>
            {
                await HurryAsync(stack);
                return (await CallsAsync(models, since, token)).Count >= 4;
            },
            "it is asked now and then",
            TimeSpan.FromSeconds(60)
        );

        var calls = await CallsAsync(models, since, TestRun.Cancel);
        // What one process sends and the other receives is never exactly as far apart as the turns were.
        Assert.All(
            calls.Zip(calls.Skip(1), (one, next) => next - one),
            between => Assert.InRange(between, TimeSpan.FromSeconds(3.5), TimeSpan.FromSeconds(60))
        );
        Assert.InRange(await stack.CountAsync("waiting_reason = 'provider_down:p0'"), 1, Jobs);
        Assert.Equal(0, await stack.CountAsync("status >= 6"));

        foreach (var model in models)
        {
            await simulator.BehaveAsync(model, new { words = 2 });
        }

        await Eventually.TrueAsync(
            async _ =>
            {
                await HurryAsync(stack);
                return await stack.CountAsync("status = 6") == Jobs;
            },
            "all jobs are done",
            TimeSpan.FromSeconds(60)
        );
        await Eventually.TrueAsync(
            async _ =>
            {
                // A worker that has nothing to do does not find out.
                await Task.WhenAll(models.Select(model => stack.Api.SubmitAsync(Chat(model))));
                return (await stack.Api.Get<DownDeployments>().LatestAsync()) is { Count: 0 };
            },
            "no worker leaves the provider alone",
            TimeSpan.FromSeconds(60)
        );
        Assert.Equal(0, await stack.CountAsync("status = 8"));
    }

    [Fact]
    public async Task F_29_jobs_wait_until_their_deadline_with_the_reason_and_what_could_not_begin_in_time_is_refused()
    {
        string[] models = [await DownAsync()];
        await using var stack = await StackAsync(models, openFor: "00:10:00");
        await stack.Api.SubmitAsync(Chat(models[0]));
        await stack.Api.SubmitAsync(Chat(models[0]));
        await Eventually.TrueAsync(
            async _ =>
            {
                // Whoever has not asked yet.
                await stack.Api.SubmitAsync(Chat(models[0]));
                return await IsDownForAllAsync(stack, 1);
            },
            "both workers have found it down",
            TimeSpan.FromSeconds(60)
        );
        var late = await stack.Api.SubmitAsync(Chat(models[0]));
        await Eventually.TrueAsync(
            async _ => (await stack.Api.GetJobAsync(late.Id)).Queue?.WaitingReason == "provider_down:p0",
            "it says what it waits for",
            TimeSpan.FromSeconds(60)
        );
        using (var refused = await stack.Api.PostAsync(Chat(models[0], TimeSpan.FromSeconds(30))))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
            Assert.Equal("provider_down", (await ApiServer.ReadProblemAsync(refused)).Code);
            Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 30, 900);
        }

        // As if it had been sent with this deadline before anybody knew.
        await stack.ExecuteAsync($"UPDATE jobs SET deadline = now() + interval '1 second' WHERE id = '{late.Id}'");
        await Eventually.TrueAsync(
            async _ => await stack.Api.GetJobAsync(late.Id) is { Status: "failed", Error.Code: "deadline_exceeded" },
            "its deadline ends the wait",
            TimeSpan.FromSeconds(30)
        );
    }

    private Task<string> DownAsync() => simulator.ModelAsync(new { error_rate = 1, error_status = 503 });

    private Task<WorkersBehindApi> StackAsync(string[] models, string openFor) =>
        WorkersBehindApi.StartAsync(
            postgres,
            simulator.Address,
            models,
            workers: 2,
            ("CircuitBreaker__MinimumCalls", "1"),
            ("CircuitBreaker__OpenFor", openFor),
            ("CircuitBreaker__LongestOpen", openFor)
        );

    private static string Chat(string model, TimeSpan? deadline = null)
    {
        var due = deadline is { } left ? $",\"deadline\":\"{TimeProvider.System.GetUtcNow() + left:O}\"" : "";
        return ApiServer.Chat[..^1] + $",\"model\":\"{model}\",\"max_attempts\":20{due}}}";
    }

    private static Task UntilAllSayAsync(WorkersBehindApi stack, string[] models) =>
        Eventually.TrueAsync(
            async _ =>
            {
                await HurryAsync(stack);
                return await IsDownForAllAsync(stack, models.Length);
            },
            "both workers have found every model down",
            TimeSpan.FromSeconds(60)
        );

    private static async Task<bool> IsDownForAllAsync(WorkersBehindApi stack, int models) =>
        (await stack.Api.Get<DownDeployments>().LatestAsync())?.Count(each => each.ToAll) == models;

    /// <summary>Whatever waits looks again now.</summary>
    private static Task HurryAsync(WorkersBehindApi stack) =>
        stack.ExecuteAsync("UPDATE jobs SET due_at = now() WHERE status = 5 AND due_at > now()");

    private async Task<IReadOnlyList<DateTimeOffset>> CallsAsync(string[] models, DateTimeOffset since, CancellationToken cancellationToken)
    {
        var calls = await Task.WhenAll(models.Select(model => simulator.CallsAsync(model, cancellationToken)));
        return
        [
            .. calls
                .SelectMany(each => each)
                .Select(call => call.GetProperty("received_at").GetDateTimeOffset())
                .Where(at => at > since)
                .Order(),
        ];
    }
}
