using System.Diagnostics;
using System.Text.Json;
using AiBackend.Core.Providers.Admission;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Admission;

/// <summary>F-24 as it is in service: callers go on handing in work, and worker processes ask a provider that refuses it.</summary>
[Collection(AloneCollection.Name)]
public sealed class RefusalStormTests(PostgresServer postgres, SimulatorServer simulator) : IClassFixture<SimulatorServer>
{
    private const int PerSecond = 20;

    /// <summary>By then calls have come down to what is allowed.</summary>
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(10);

    [Fact]
    public Task F_24_refused_by_all_calls_fall_to_a_trickle_jobs_wait_and_full_speed_is_back_in_30_s_without_an_overshoot() =>
        StormAsync(before: 5, storm: 14, half: 0, after: 8, retryAfter: null, slack: 6);

    [Theory]
    [Trait("Category", "Long")]
    [InlineData(null)]
    [InlineData(5)]
    public Task F_24_two_minutes_of_refusals_then_half_of_them(int? retryAfter) =>
        StormAsync(before: 15, storm: 120, half: 60, after: 10, retryAfter);

    [Fact]
    [Trait("Category", "Long")]
    public async Task F_24_a_provider_that_allows_a_tenth_of_what_is_asked_is_soon_asked_no_more_than_that()
    {
        const int Allowed = PerSecond / 10;
        var model = await simulator.ModelAsync(new { words = 2, requests_per_minute = Allowed * 60 });
        await using var stack = await StackAsync(model);

        // What it allows in a minute it takes at once; from then on it refuses.
        await AskAsync(stack, async _ => (await CallsAsync(model)).Count < Allowed * 60);
        await AskAsync(stack, Settling);
        await AskAsync(stack, TimeSpan.FromSeconds(10));

        Assert.InRange((await CallsAsync(model, TimeSpan.FromSeconds(10))).Count, 1, Allowed * 10 * 1.1);
        await WaitsForThePaceAsync(stack, model);
        Assert.Equal(0, await stack.CountAsync("status = 8"));
    }

    /// <param name="before">Seconds without refusals.</param>
    /// <param name="storm">Seconds of nothing else.</param>
    /// <param name="half">Seconds of which half the calls are refused.</param>
    /// <param name="after">Seconds at full speed, in which it must not be asked more than that.</param>
    /// <param name="retryAfter">Seconds that a refusal names.</param>
    /// <param name="slack">Calls that may come together, or late, where a machine that has more to do makes up a good part of so short a time.</param>
    private async Task StormAsync(int before, int storm, int half, int after, int? retryAfter, int slack = 0)
    {
        var model = await simulator.ModelAsync(new { words = 2 });
        await using var stack = await StackAsync(model);
        await AskAsync(stack, TimeSpan.FromSeconds(before));

        await RefuseAsync(model, 1, retryAfter);
        await AskAsync(stack, TimeSpan.FromSeconds(storm));
        // Somebody has to find out that it is well again: one call in five seconds.
        var late = TimeSpan.FromSeconds(storm) - Settling;
        Assert.InRange((await CallsAsync(model, late)).Count, 0, slack + 1 + (late.TotalSeconds * 0.2 * 1.1));
        await WaitsForThePaceAsync(stack, model);
        if (half > 0)
        {
            await RefuseAsync(model, 0.5, retryAfter);
            await AskAsync(stack, TimeSpan.FromSeconds(half));
            late = TimeSpan.FromSeconds(half) - Settling;
            Assert.InRange((await CallsAsync(model, late)).Count, 1, late.TotalSeconds * PerSecond * 0.5 * 1.1);
        }

        await simulator.BehaveAsync(model, new { words = 2 });
        var well = Stopwatch.StartNew();
        await AskAsync(stack, async _ => (await CallsAsync(model, TimeSpan.FromSeconds(2))).Count < 2 * PerSecond * 0.9);
        Assert.InRange(well.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(30));
        await AskAsync(stack, TimeSpan.FromSeconds(after));

        Assert.InRange(MostWithin(await CallsAsync(model, well.Elapsed), TimeSpan.FromSeconds(3)), 1, (3 * PerSecond * 1.2) + (3 * slack));
        Assert.Equal(0, await stack.CountAsync("status = 8"));
        // What they waited for has cost them no try.
        Assert.Equal(1, await stack.ScalarAsync("SELECT max(attempt - excused)::bigint FROM jobs WHERE status = 6"));
        if (half > 0)
        {
            await DrainAsync(stack);
        }
    }

    /// <summary>What has waited goes at about the speed of before, so that it takes about as long as it came in.</summary>
    private static async Task DrainAsync(WorkersBehindApi stack)
    {
        var jobs = await stack.CountAsync("true");
        await Eventually.TrueAsync(
            async _ => await stack.CountAsync("status = 6") == jobs,
            "all jobs are done",
            TimeSpan.FromSeconds(60 + (2 * jobs / PerSecond))
        );
    }

    /// <summary>Somebody who waits says so, to whoever asks.</summary>
    private static Task WaitsForThePaceAsync(WorkersBehindApi stack, string model) =>
        Eventually.TrueAsync(
            async token =>
            {
                var waiting = await stack.Api.Http.GetFromJsonAsync<JsonElement>("/api/v1/jobs?status=retrying&limit=1", token);
                var job = await stack.Api.GetJobAsync(waiting.GetProperty("data")[0].GetProperty("id").GetGuid());
                return (job.Status, job.Queue?.WaitingReason) == ("retrying", $"rate_limit:p0/{model}:{ICallPace.Limit}");
            },
            "one waits for the pace and says so"
        );

    private Task RefuseAsync(string model, double share, int? retryAfter) =>
        simulator.BehaveAsync(
            model,
            retryAfter is { } seconds
                ? new
                {
                    words = 2,
                    error_rate = share,
                    error_status = 429,
                    retry_after_s = seconds,
                }
                : (object)
                    new
                    {
                        words = 2,
                        error_rate = share,
                        error_status = 429,
                    }
        );

    private Task<WorkersBehindApi> StackAsync(string model) =>
        WorkersBehindApi.StartAsync(postgres, simulator.Address, [model], workers: 2);

    /// <summary>For so long callers hand in work at the same speed.</summary>
    private static Task AskAsync(WorkersBehindApi stack, TimeSpan time) => AskAsync(stack, elapsed => Task.FromResult(elapsed < time));

    private static async Task AskAsync(WorkersBehindApi stack, Func<TimeSpan, Task<bool>> goesOn)
    {
        var watch = Stopwatch.StartNew();
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1) / PerSecond);
        while (await goesOn(watch.Elapsed) && watch.Elapsed < TimeSpan.FromMinutes(3))
        {
            await timer.WaitForNextTickAsync(TestRun.Cancel);
            await stack.Api.SubmitAsync();
        }
    }

    private async Task<List<DateTimeOffset>> CallsAsync(string model, TimeSpan? ago = null)
    {
        var since = ago is { } time ? TimeProvider.System.GetUtcNow() - time : DateTimeOffset.MinValue;
        var calls = await simulator.CallsAsync(model, TestRun.Cancel);
        return [.. calls.Select(call => call.GetProperty("received_at").GetDateTimeOffset()).Where(at => at >= since).Order()];
    }

    private static int MostWithin(List<DateTimeOffset> sorted, TimeSpan window)
    {
        var (most, first) = (0, 0);
        for (var last = 0; last < sorted.Count; last++)
        {
            while (sorted[last] - sorted[first] >= window)
            {
                first++;
            }

            most = Math.Max(most, last - first + 1);
        }

        return most;
    }
}
