using AiBackend.Bench.Load;
using AiBackend.Bench.Reporting;
using AiBackend.Bench.Stack;

namespace AiBackend.Bench.Scenarios;

/// <summary><c>latency</c>: 100 jobs a second on an idle worker; how long until the acknowledgement, and until the handler starts.</summary>
/// <remarks>
/// A no-op handler records the moment it starts as its attempt's first output, after its claim was committed; both ends of
/// the interval are read on this machine's clock.
/// </remarks>
internal static class LatencyScenario
{
    private const int PerSecond = 100;

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        await using var stack = await BenchStack.StartAsync(options, new StackSettings(), cancellationToken);
        await SendAsync(stack, TimeSpan.FromSeconds(5), cancellationToken);
        await stack.AnalyzeAsync(cancellationToken);
        await SendAsync(stack, TimeSpan.FromSeconds(3), cancellationToken);

        var inline = await OpenLoop.SendAsync(stack.Direct, "/ack", stack.Key, PerSecond, options.Duration / 2, cancellationToken);
        var sent = await SendAsync(stack, options.Duration, cancellationToken);
        var jobs = await stack.ScalarAsync<long>("SELECT count(*) FROM jobs", cancellationToken);
        await stack.WaitUntilAsync("SELECT count(*) FROM jobs WHERE status >= 6", jobs, TimeSpan.FromSeconds(10), cancellationToken);
        var started = await ReadStartsAsync(stack, sent.Count, cancellationToken);
        return
        [
            .. sent.Where(job => started.ContainsKey(job.Id))
                .Select(job => (started[job.Id] - job.SentAt).TotalMilliseconds)
                .Describe("aibackend", "submit to start"),
            .. sent.Select(job => job.Acknowledged.TotalMilliseconds).Describe("aibackend", "acknowledgement"),
            new("aibackend", "not started", "jobs", sent.Count - sent.Count(job => started.ContainsKey(job.Id))),
            .. inline.Select(job => job.Acknowledged.TotalMilliseconds).Describe("no storage", "acknowledgement"),
        ];
    }

    private static Task<List<SentJob>> SendAsync(BenchStack stack, TimeSpan duration, CancellationToken cancellationToken) =>
        OpenLoop.SendAsync(stack.Api, "/api/v1/jobs", stack.Key, PerSecond, duration, cancellationToken);

    /// <returns>When the handlers of the latest jobs began.</returns>
    internal static async Task<Dictionary<Guid, DateTimeOffset>> ReadStartsAsync(
        BenchStack stack,
        int count,
        CancellationToken cancellationToken
    )
    {
        await using var command = stack.Database.CreateCommand(
            "SELECT job_id, first_token_at FROM job_attempts WHERE first_token_at IS NOT NULL ORDER BY job_id DESC LIMIT @count"
        );
        command.Parameters.AddWithValue("count", count + 1000);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var starts = new Dictionary<Guid, DateTimeOffset>();
        while (await reader.ReadAsync(cancellationToken))
        {
            starts[reader.GetGuid(0)] = await reader.GetFieldValueAsync<DateTimeOffset>(1, cancellationToken);
        }

        return starts;
    }
}
