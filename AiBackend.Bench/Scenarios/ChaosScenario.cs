using AiBackend.Bench.Load;
using AiBackend.Bench.Reporting;
using AiBackend.Bench.Stack;

namespace AiBackend.Bench.Scenarios;

/// <summary><c>chaos</c>: 100 jobs a second; the acknowledgement while one of two workers is killed every 5 s, and in quiet.</summary>
/// <remarks>Quiet before and after, so that a machine that changes its speed meanwhile does not decide.</remarks>
internal static class ChaosScenario
{
    private const int PerSecond = 100;
    private const int Workers = 2;
    private static readonly TimeSpan KillInterval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LeastDuration = KillInterval * 6;
    private static readonly TimeSpan EndPatience = TimeSpan.FromMinutes(1);

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        await using var stack = await BenchStack.StartAsync(options, new StackSettings(Workers), cancellationToken);
        var duration = options.Duration > LeastDuration ? options.Duration : LeastDuration;
        await SendAsync(TimeSpan.FromSeconds(8));
        await stack.AnalyzeAsync(cancellationToken);
        await SendAsync(TimeSpan.FromSeconds(3));

        var quiet = await SendAsync(duration / 2);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var killing = KillAsync(stack, over.Token);
        var killed = await SendAsync(duration);
        await over.CancelAsync();
        var kills = await killing;
        quiet.AddRange(await SendAsync(duration / 2));

        var jobs = await stack.ScalarAsync<long>("SELECT count(*) FROM jobs", cancellationToken);
        await stack.WaitUntilAsync("SELECT count(*) FROM jobs WHERE status >= 6", jobs, EndPatience, cancellationToken);
        return
        [
            .. killed.Select(job => job.Acknowledged.TotalMilliseconds).Describe("aibackend", "acknowledgement"),
            .. quiet.Select(job => job.Acknowledged.TotalMilliseconds).Describe("quiet", "acknowledgement"),
            new("aibackend", "workers killed", "processes", kills),
            new("aibackend", "wrong", "jobs", await stack.ScalarAsync<long>(Backlog.WrongSql, cancellationToken)),
        ];

        Task<List<SentJob>> SendAsync(TimeSpan length) =>
            OpenLoop.SendAsync(stack.Api, "/api/v1/jobs", stack.Key, PerSecond, length, cancellationToken);
    }

    private static async Task<int> KillAsync(BenchStack stack, CancellationToken stop)
    {
        using var timer = new PeriodicTimer(KillInterval);
        var (kills, next) = (0, 0);
        try
        {
            while (await timer.WaitForNextTickAsync(stop))
            {
                kills += stack.Kill(BenchStack.WorkerName, next++ % Workers) is null ? 0 : 1;
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The measurement is over.
        }

        return kills;
    }
}
