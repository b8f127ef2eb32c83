namespace AiBackend.Simulator.Behaviours;

/// <summary>The models that are always there. Any other name that begins with <c>sim</c> behaves like <c>sim</c>.</summary>
internal static class BuiltInModels
{
    public const string DefaultName = "sim";

    /// <summary>Model names, what each is for, and how it behaves.</summary>
    public static readonly IReadOnlyDictionary<string, (string Help, SimBehaviour Behaviour)> All = new Dictionary<
        string,
        (string, SimBehaviour)
    >(StringComparer.Ordinal)
    {
        [DefaultName] = ("Pleasant to watch: first token after 0.4 s, then 45 tokens/s.", Timed(400, 22)),
        ["sim-fast"] = ("A small model: 80 ms, then 250 tokens/s.", Timed(80, 4)),
        ["sim-slow"] = ("A large, busy model: 4 s, then 5 tokens/s.", Timed(4000, 200)),
        ["sim-instant"] = ("Everything at once.", Timed(0, 0)),
        ["sim-bench"] = ("200 ms, then 50 tokens 10 ms apart: the benchmark's call.", Timed(200, 10) with { Words = 50 }),
        ["sim-stamps"] = (
            "As sim-bench, each token being the time it was written.",
            Timed(200, 10) with
            {
                Stamps = true,
                OutputTokens = 50,
            }
        ),
        ["sim-long"] = ("A long answer: 2000 tokens at 100 tokens/s.", Timed(300, 10) with { OutputTokens = 2000 }),
        ["sim-tails"] = (
            "Log-normal times around those of sim, sigma 0.8.",
            Timed(400, 22) with
            {
                TimeToFirstTokenSigma = 0.8,
                TokenIntervalSigma = 0.8,
            }
        ),
        ["sim-flaky"] = ("Three of ten calls fail with 503.", Timed(200, 10) with { ErrorRate = 0.3, ErrorStatus = 503 }),
        ["sim-limited"] = (
            "60 requests and 20 000 tokens a minute, then 429.",
            Timed(200, 10) with
            {
                RequestsPerMinute = 60,
                TokensPerMinute = 20_000,
            }
        ),
        ["sim-down"] = ("Always 503.", Timed(0, 0) with { ErrorRate = 1, ErrorStatus = 503 }),
        ["sim-cut"] = ("The connection breaks after ten tokens.", Timed(200, 20) with { CutAfterTokens = 10 }),
        ["sim-hang"] = ("Silence before the first token.", Timed(0, 0) with { Hang = SimHang.BeforeFirstToken }),
        ["sim-stall"] = ("Silence after ten tokens.", Timed(200, 20) with { HangAfterTokens = 10 }),
    };

    private static SimBehaviour Timed(int firstMs, int intervalMs) =>
        new() { TimeToFirstToken = TimeSpan.FromMilliseconds(firstMs), TokenInterval = TimeSpan.FromMilliseconds(intervalMs) };
}
