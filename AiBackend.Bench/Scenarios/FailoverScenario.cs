using System.Globalization;
using AiBackend.Bench.Load;
using AiBackend.Bench.Reporting;
using AiBackend.Bench.Stack;

namespace AiBackend.Bench.Scenarios;

/// <summary><c>failover</c>: every third stream of the primary is cut; how much later its jobs end, begun anew elsewhere or continued.</summary>
internal static class FailoverScenario
{
    private const string Primary = "sim-primary";
    private const int PerSecond = 10;
    private const int Words = 50;
    private const int IntervalMs = 10;
    private const int FirstTokenMs = 200;
    private const int CutAfter = 10;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchOptions options, CancellationToken cancellationToken) =>
        [
            .. await RunAsync(options, "restart", "begun anew", cancellationToken),
            .. await RunAsync(options, "prefill", "continued", cancellationToken),
        ];

    private static async Task<IReadOnlyList<Measurement>> RunAsync(
        BenchOptions options,
        string continuity,
        string name,
        CancellationToken cancellationToken
    )
    {
        var settings = new StackSettings(Workers: 2)
        {
            WithProviders = [("primary", Primary), ("secondary", "sim-secondary")],
            WorkerVariables = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["AIBACKEND_PROVIDERS__DEFAULTS__CONTINUITY"] = continuity,
                // The first streams to end are those that are cut; a third of all is below the breaker's share.
                ["CircuitBreaker__MinimumCalls"] = "30",
            },
        };
        await using var stack = await BenchStack.StartAsync(options, settings, cancellationToken);
        foreach (var model in settings.WithProviders.Select(provider => provider.Model))
        {
            await TeachAsync(stack, model, [], cancellationToken);
        }

        // Compiles what is measured.
        await MeasureAsync(stack, TimeSpan.FromSeconds(3), cancellationToken);
        var quiet = await MeasureAsync(stack, options.Duration, cancellationToken);
        await TeachAsync(stack, Primary, [("cut_after_tokens", CutAfter), ("break_every", 3)], cancellationToken);
        var cut = await MeasureAsync(stack, options.Duration, cancellationToken);

        const string CutSql = "SELECT count(*) FROM job_events WHERE kind IN (4, 8) AND data LIKE '%stream_cut%'";
        return
        [
            new("aibackend", $"{name}: end to end p95", "ms", cut.EndToEnd.At(0.95)),
            new("no cuts", $"{name}: end to end p95", "ms", quiet.EndToEnd.At(0.95)),
            new("aibackend", $"{name}: added p95", "ms", cut.EndToEnd.At(0.95) - quiet.EndToEnd.At(0.95))
            {
                AtMost = quiet.FirstToken.At(0.95),
            },
            new("goal: a first token", $"{name}: added p95", "ms", quiet.FirstToken.At(0.95)),
            new("aibackend", $"{name}: jobs", "jobs", cut.EndToEnd.Count),
            new("aibackend", $"{name}: answers cut", "jobs", await stack.ScalarAsync<long>(CutSql, cancellationToken)),
            new(
                "aibackend",
                $"{name}: attempts a job",
                "",
                await stack.ScalarAsync<double>("SELECT avg(attempt) FROM jobs", cancellationToken)
            ),
            new("aibackend", $"{name}: wrong", "jobs", await stack.ScalarAsync<long>(Backlog.WrongSql, cancellationToken)) { AtMost = 0 },
        ];
    }

    private static async Task<(List<double> EndToEnd, List<double> FirstToken)> MeasureAsync(
        BenchStack stack,
        TimeSpan duration,
        CancellationToken cancellationToken
    )
    {
        var before = await stack.ScalarAsync<long>("SELECT count(*) FROM jobs", cancellationToken);
        var count = (int)(duration.TotalSeconds * PerSecond);
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1) / PerSecond);
        for (var job = 0; job < count && await timer.WaitForNextTickAsync(cancellationToken); job++)
        {
            await Backlog.QueueAsync(stack, 1, Requests.ChatBody("default"), cancellationToken);
        }

        await stack.WaitUntilAsync("SELECT count(*) FROM jobs WHERE status >= 6", before + count, Patience, cancellationToken);
        var jobs = string.Create(CultureInfo.InvariantCulture, $"(SELECT * FROM jobs ORDER BY id DESC LIMIT {count}) j");
        return (
            await ReadAsync(stack, $"SELECT extract(epoch FROM finished_at - created_at) * 1000 FROM {jobs}", cancellationToken),
            await ReadAsync(
                stack,
                $"SELECT extract(epoch FROM a.first_token_at - a.started_at) * 1000 FROM {jobs} JOIN job_attempts a ON a.job_id = j.id WHERE a.first_token_at IS NOT NULL",
                cancellationToken
            )
        );
    }

    private static async Task<List<double>> ReadAsync(BenchStack stack, string sql, CancellationToken cancellationToken)
    {
#pragma warning disable CA2100 // Constants and a number of this class.
        await using var command = stack.Database.CreateCommand(sql);
#pragma warning restore CA2100
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var values = new List<double>();
        while (await reader.ReadAsync(cancellationToken))
        {
            values.Add((double)reader.GetDecimal(0));
        }

        values.Sort();
        return values;
    }

    private static Task TeachAsync(BenchStack stack, string model, (string, int)[] more, CancellationToken cancellationToken) =>
        stack.TeachAnyAsync(
            model,
            new Dictionary<string, object>(StringComparer.Ordinal)
            {
                ["words"] = Words,
                ["interval_ms"] = IntervalMs,
                ["ttft_ms"] = FirstTokenMs,
                // As providers do: the slow ones decide what a person has to expect.
                ["ttft_sigma"] = 0.2,
                ["prefill"] = "continue",
            }
                .Concat(more.Select(each => KeyValuePair.Create(each.Item1, (object)each.Item2)))
                .ToDictionary(StringComparer.Ordinal),
            cancellationToken
        );
}
