using System.Globalization;
using System.Text.Json;
using AiBackend.Bench.Load;
using AiBackend.Bench.Reporting;
using AiBackend.Bench.Stack;

namespace AiBackend.Bench.Scenarios;

/// <summary><c>retries</c> (L-7): three times the usual load on a provider that is five times as slow and fails one call in twenty: what the repeats cost.</summary>
internal static class RetriesScenario
{
    private const string Provider = "simulator";
    private const string Well = "sim-well";
    private const string Ill = "sim-ill";
    private const int Usual = 30;
    private const int Words = 20;
    private const int FirstTokenMs = 200;
    private const int IntervalMs = 10;
    private const int Slower = 5;
    private static readonly TimeSpan Warmup = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        var settings = new StackSettings(Workers: 2) { WorkerVariables = Prices(Well, Ill) };
        await using var stack = await BenchStack.StartAsync(options, settings, cancellationToken);
        await TeachAsync(stack, Well, slower: 1, [], cancellationToken);
        await TeachAsync(stack, Ill, slower: 1, [], cancellationToken);
        // Compiles what is measured, and teaches the workers what a call uses: what broke off is booked at that estimate.
        await MeasureAsync(stack, Well, Usual, Warmup, cancellationToken);
        await MeasureAsync(stack, Ill, Usual, Warmup, cancellationToken);
        // Half of the failures are refusals, which cost nothing; the others break off in the middle, which does.
        await TeachAsync(
            stack,
            Ill,
            Slower,
            [("error_rate", 0.025), ("error_status", 503), ("cut_after_tokens", Words / 2), ("break_every", 40)],
            cancellationToken
        );

        var quiet = await MeasureAsync(stack, Well, Usual, options.Duration, cancellationToken);
        var ill = await MeasureAsync(stack, Ill, 3 * Usual, options.Duration, cancellationToken);
        return
        [
            new("aibackend", "jobs", "jobs", ill.Jobs),
            new("aibackend", "calls", "calls", ill.Calls),
            new("aibackend", "retries to calls", "", (ill.Calls - ill.Jobs) / (double)ill.Calls) { AtMost = 0.10 },
            new("aibackend", "cost of a completed job to that without trouble", "", ill.CostOfOne / quiet.CostOfOne) { AtMost = 1.10 },
            new("aibackend", "end to end p95", "ms", ill.P95),
            new("no trouble", "end to end p95", "ms", quiet.P95),
            new("aibackend", "wrong", "jobs", await stack.ScalarAsync<long>(Backlog.WrongSql, cancellationToken)) { AtMost = 0 },
        ];
    }

    private static async Task<(int Jobs, int Calls, double CostOfOne, double P95)> MeasureAsync(
        BenchStack stack,
        string model,
        int perSecond,
        TimeSpan duration,
        CancellationToken cancellationToken
    )
    {
        var before = await ReadAsync(stack, model, cancellationToken);
        var jobs = (int)(perSecond * duration.TotalSeconds);
        var load = Enumerable
            .Range(0, jobs)
            .Select(job => new TimedRequest(TimeSpan.FromSeconds(job / (double)perSecond), stack.Key, Requests.ChatBody(model)))
            .ToList();
        await TimedLoad.SendAsync(stack.Api, load, cancellationToken);
        await stack.WaitUntilAsync(
            $"SELECT count(*) FROM jobs WHERE status >= 6 AND model = '{model}'",
            before.Completed + jobs,
            Patience,
            cancellationToken
        );
        // Settled a moment after the jobs have ended.
        await stack.WaitUntilAsync(
            $"SELECT 1 - least(1, count(*)) FROM provider_calls WHERE state IN (0, 1) AND model = '{model}'",
            1,
            Patience,
            cancellationToken
        );
        var after = await ReadAsync(stack, model, cancellationToken);
        return (
            jobs,
            after.Calls - before.Calls,
            (after.Cost - before.Cost) / (after.Completed - before.Completed),
            await stack.ScalarAsync<double>(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"SELECT 1000 * percentile_disc(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - created_at)) FROM (SELECT * FROM jobs WHERE model = '{model}' ORDER BY id DESC LIMIT {jobs}) j"
                ),
                cancellationToken
            )
        );
    }

    /// <summary>By the provider's own log, by the sums of costs, what was booked as unknown included, and by the jobs.</summary>
    private static async Task<(int Calls, double Cost, long Completed)> ReadAsync(
        BenchStack stack,
        string model,
        CancellationToken cancellationToken
    )
    {
        using var http = new HttpClient(new SocketsHttpHandler()) { BaseAddress = stack.Simulator };
        using var log = JsonDocument.Parse(await http.GetStringAsync($"/sim/calls?model={model}", cancellationToken));
        return (
            log.RootElement.GetProperty("data").GetArrayLength(),
            await stack.ScalarAsync<double>(
                $"SELECT coalesce(sum(cost_usd + unknown_usd), 0) FROM usage_days WHERE model = '{model}'",
                cancellationToken
            ),
            await stack.ScalarAsync<long>($"SELECT count(*) FROM jobs WHERE status = 6 AND model = '{model}'", cancellationToken)
        );
    }

    private static Dictionary<string, string> Prices(params IEnumerable<string> models) =>
        models
            .SelectMany(
                (model, n) =>
                    new (string Member, string Value)[]
                    {
                        ("Provider", Provider),
                        ("Model", model),
                        ("Input", "1"),
                        ("Output", "10"),
                    }.Select(each =>
                        KeyValuePair.Create(string.Create(CultureInfo.InvariantCulture, $"Money__Prices__{n}__{each.Member}"), each.Value)
                    )
            )
            .ToDictionary(StringComparer.Ordinal);

    private static Task TeachAsync(
        BenchStack stack,
        string model,
        int slower,
        (string, double)[] more,
        CancellationToken cancellationToken
    ) =>
        stack.TeachAnyAsync(
            model,
            new Dictionary<string, object>(StringComparer.Ordinal)
            {
                ["words"] = Words,
                ["ttft_ms"] = FirstTokenMs * slower,
                ["ttft_sigma"] = 0.2,
                ["interval_ms"] = IntervalMs * slower,
            }
                .Concat(more.Select(each => KeyValuePair.Create(each.Item1, (object)each.Item2)))
                .ToDictionary(StringComparer.Ordinal),
            cancellationToken
        );
}
