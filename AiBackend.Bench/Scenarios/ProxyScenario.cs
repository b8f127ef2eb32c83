using AiBackend.Bench.Load;
using AiBackend.Bench.Reporting;
using AiBackend.Bench.Stack;

namespace AiBackend.Bench.Scenarios;

/// <summary>
/// <c>proxy</c>: chat completions from a provider that answers at once, through <c>/v1/chat/completions</c>, straight, and through Portkey's
/// gateway where one runs. Ours writes the job, its events, the call and its cost down meanwhile; the others write nothing.
/// </summary>
internal static class ProxyScenario
{
    private const string Model = "sim-proxy";
    private const int Words = 10;
    private const int Slots = 128;
    private const int PerSecond = 50;
    private const int Connections = 64;
    private static readonly TimeSpan Warmup = TimeSpan.FromSeconds(4);

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        await using var stack = await BenchStack.StartAsync(options, new StackSettings(Workers: 1, Slots: Slots), cancellationToken);
        await stack.TeachAsync(
            Model,
            new(StringComparer.Ordinal)
            {
                ["words"] = Words,
                ["ttft_ms"] = 0,
                ["interval_ms"] = 0,
            },
            cancellationToken
        );
        using var straight = AnswerCaller.OfCompletions(stack.Simulator, "sim", Model);
        using var ours = AnswerCaller.OfCompletions(stack.Api, stack.Key, Model);
        using var portkey = options.Portkey is { } address
            ? AnswerCaller.OfCompletions(
                address,
                "sim",
                Model,
                ("x-portkey-provider", "openai"),
                ("x-portkey-custom-host", new Uri(stack.Simulator, "/v1").ToString())
            )
            : null;
        var systems = new List<(string Name, AnswerCaller Caller)> { ("straight", straight), ("aibackend", ours) };
        if (portkey is not null)
        {
            systems.Add(("portkey", portkey));
        }

        var measured = new List<Measurement>();
        var floor = (P50: 0d, P99: 0d);
        foreach (var (name, caller) in systems)
        {
            await caller.SaturateAsync(Connections, Warmup, cancellationToken);
            await stack.AnalyzeAsync(cancellationToken);
            await caller.SteadyAsync(PerSecond, Warmup, cancellationToken);
            var took = (await caller.SteadyAsync(PerSecond, options.Duration, cancellationToken)).Order().ToList();
            floor = name == "straight" ? (took.At(0.5), took.At(0.99)) : floor;
            measured.Add(new(name, "p50", "ms", took.At(0.5)));
            measured.Add(new(name, "p99", "ms", took.At(0.99)));
            measured.Add(new(name, "added p50", "ms", took.At(0.5) - floor.P50));
            measured.Add(new(name, "added p99", "ms", took.At(0.99) - floor.P99));
            measured.Add(new(name, "saturation", "1/s", await caller.SaturateAsync(Connections, options.Duration, cancellationToken)));
        }

        return
        [
            .. measured,
            new("goal", "added p50", "ms", 4),
            new("goal", "added p99", "ms", 15),
            new("aibackend", "wrong", "jobs", await stack.ScalarAsync<long>(Backlog.WrongSql, cancellationToken)),
        ];
    }
}
