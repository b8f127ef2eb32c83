using AiBackend.Bench.Load;
using AiBackend.Bench.Reporting;
using AiBackend.Bench.Stack;
using static System.FormattableString;

namespace AiBackend.Bench.Scenarios;

/// <summary>
/// <c>ways</c>: the calls that docs/choosing.md tells apart, one after the other, 50 of each a second to a provider that answers at once: until the
/// answer, or until the id where that is what the call is for.
/// </summary>
internal static class WaysScenario
{
    private const string Model = "sim-ways";
    private const string EmbeddingModel = "sim-embed";
    private const int PerSecond = 50;
    private const int Slots = 128;
    private const int Batches = 5;
    private static readonly TimeSpan Warmup = TimeSpan.FromSeconds(3);

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        await using var stack = await BenchStack.StartAsync(options, new StackSettings(Slots: Slots), cancellationToken);
        foreach (var model in new[] { Model, EmbeddingModel })
        {
            await stack.TeachAsync(
                model,
                new(StringComparer.Ordinal)
                {
                    ["words"] = 10,
                    ["ttft_ms"] = 0,
                    ["interval_ms"] = 0,
                },
                cancellationToken
            );
        }

        // What one of them needs compiled, the others need too.
        foreach (var (_, _, caller) in Ways(stack))
        {
            using var calls = caller;
            await calls.SteadyAsync(PerSecond, Warmup, cancellationToken);
        }

        await stack.AnalyzeAsync(cancellationToken);
        var measured = new List<Measurement>();
        foreach (var (system, name, caller) in Ways(stack))
        {
            using var calls = caller;
            var took = (await calls.SteadyAsync(PerSecond, options.Duration, cancellationToken)).Order().ToList();
            measured.Add(new(system, $"{name} p50", "ms", took.At(0.5)));
            measured.Add(new(system, $"{name} p99", "ms", took.At(0.99)));
        }

        using var batches = new BatchCaller(stack.Api, stack.Key);
        foreach (var lines in (int[])[1, 1000])
        {
            var took = new List<double>();
            for (var i = 0; i < Batches; i++)
            {
                took.Add(await batches.RunAsync(Model, lines, cancellationToken));
            }

            measured.Add(new("aibackend", Invariant($"batch of {lines}, its file of answers p50"), "ms", took.Order().ToList().At(0.5)));
        }

        return measured;
    }

    private static IEnumerable<(string System, string Name, AnswerCaller Caller)> Ways(BenchStack stack)
    {
        const string chat = "chat completion";
        const string embedding = "embedding";
        var text = new string('x', 200);
        var embeddingBody = $$"""{"model":"{{EmbeddingModel}}","input":"{{text}}"}""";
        yield return ("straight", chat, AnswerCaller.OfCompletions(stack.Simulator, "sim", Model));
        yield return ("straight", embedding, new(new Uri(stack.Simulator, "/v1/embeddings"), "sim", embeddingBody, "data"));
        yield return ("aibackend", chat, AnswerCaller.OfCompletions(stack.Api, stack.Key, Model));
        yield return ("aibackend", embedding, Own("/v1/embeddings", embeddingBody, "data"));
        yield return ("aibackend", "response", Own("/v1/responses", $$"""{"model":"{{Model}}","input":"{{text}}"}""", "output"));
        yield return (
            "aibackend",
            "response in the background, its id",
            Own("/v1/responses", $$"""{"model":"{{Model}}","input":"{{text}}","background":true}""", "id")
        );
        yield return ("aibackend", "job, its id", Own("/api/v1/jobs", Requests.ChatBody(Model), "id"));
        yield return ("aibackend", "job with Prefer: wait", Own("/api/v1/jobs", Requests.ChatBody(Model), "output", ("Prefer", "wait=30")));

        AnswerCaller Own(string path, string body, string member, params (string Name, string Value)[] headers) =>
            new(new Uri(stack.Api, path), stack.Key, body, member, headers);
    }
}
