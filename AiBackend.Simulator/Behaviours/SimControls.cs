using System.Globalization;
using AiBackend.Simulator.Malformed;

namespace AiBackend.Simulator.Behaviours;

/// <summary>The list of all controls, which is also their documentation (<c>GET /sim/controls</c>).</summary>
internal static class SimControls
{
    /// <summary>More would only fill memory: a longer answer repeats its words.</summary>
    private const int MaxWords = 100_000;

    private static readonly TimeSpan LongestWait = TimeSpan.FromHours(1);

    public static readonly IReadOnlyList<SimControl> All =
    [
        new("ttft_ms", "Milliseconds before the first token.", (b, v) => b with { TimeToFirstToken = Milliseconds(v) }),
        new(
            "ttft_sigma",
            "Sigma of a log-normal tail on ttft_ms; 0 is none.",
            (b, v) => b with { TimeToFirstTokenSigma = Number(v, 0, 5) }
        ),
        new("interval_ms", "Milliseconds between tokens.", (b, v) => b with { TokenInterval = Milliseconds(v) }),
        new(
            "tokens_per_second",
            "The same as a rate.",
            (b, v) => b with { TokenInterval = TimeSpan.FromSeconds(1 / Number(v, 0.001, 1_000_000)) }
        ),
        new("interval_sigma", "Sigma of a log-normal tail on interval_ms.", (b, v) => b with { TokenIntervalSigma = Number(v, 0, 5) }),
        new(
            "output_tokens",
            "Length of the answer in tokens; its words repeat.",
            (b, v) => b with { OutputTokens = Count(v, int.MaxValue) }
        ),
        new("text", "The exact text of the answer.", (b, v) => b with { Text = v, Words = null }),
        new(
            "words",
            "The answer is 'word1 word2 … wordN', one token each.",
            (b, v) => b with { Words = Math.Max(1, Count(v, MaxWords)), Text = null }
        ),
        new("stamps", "true: each token is the Unix time in microseconds at which it is written.", (b, v) => b with { Stamps = Flag(v) }),
        new(
            "ignore_max_tokens",
            "true: max_tokens of the request does not end the answer.",
            (b, v) => b with { IgnoreMaxTokens = Flag(v) }
        ),
        new("finish_reason", "stop, length, content_filter or any other word.", (b, v) => b with { FinishReason = v }),
        new(
            "json",
            "What a JSON response_format gets: valid, wrong_type, truncated, prose, fenced.",
            (b, v) => b with { Json = Word<SimJson>(v) }
        ),
        new(
            "tools",
            "Which tools of the request are asked for: auto (one, when one is required), first, all, never; none after their results. always: the first, also after its result.",
            (b, v) => b with { Tools = Word<SimTools>(v) }
        ),
        new("tool_arguments", "Arguments of every call, in place of ones that fit.", (b, v) => b with { ToolArguments = v }),
        new("tool_copies", "How often each tool is asked for in one answer, 1 to 200.", (b, v) => b with { ToolCopies = Count(v, 200) }),
        new(
            "usage",
            "Token counts: honest, missing, null, negative, huge, text, every_chunk.",
            (b, v) => b with { Usage = Word<SimUsage>(v) }
        ),
        new(
            "billed_tokens",
            "Output tokens that usage reports, however many were written.",
            (b, v) => b with { BilledTokens = Count(v, int.MaxValue) }
        ),
        new("error_rate", "Share of calls that fail with error_status, 0 to 1.", (b, v) => b with { ErrorRate = Number(v, 0, 1) }),
        new("error_status", "HTTP status of failures, 300 to 599.", (b, v) => b with { ErrorStatus = Status(v) }),
        new("error_code", "error.code of failures; the usual one of the status when not set.", (b, v) => b with { ErrorCode = v }),
        new("error_location", "Location header of failures, for redirects.", (b, v) => b with { ErrorLocation = v }),
        new(
            "fail_first",
            "The first n calls of this model fail with error_status.",
            (b, v) => b with { FailFirst = Count(v, int.MaxValue) }
        ),
        new(
            "retry_after_s",
            "Seconds in Retry-After of failures.",
            (b, v) => b with { RetryAfter = TimeSpan.FromSeconds(Number(v, 0, 86_400)) }
        ),
        new("requests_per_minute", "Beyond it: 429.", (b, v) => b with { RequestsPerMinute = Limit(v) }),
        new("tokens_per_minute", "Beyond it: 429. Counts input plus max_tokens.", (b, v) => b with { TokensPerMinute = Limit(v) }),
        new("max_concurrency", "Calls at once; beyond it: 429.", (b, v) => b with { MaxConcurrency = Limit(v) }),
        new("context_tokens", "A longer input is refused: 400 context_length_exceeded.", (b, v) => b with { ContextTokens = Limit(v) }),
        new("cut_after_tokens", "The connection breaks after n tokens.", (b, v) => b with { CutAfterTokens = Count(v, int.MaxValue) }),
        new("hang_after_tokens", "Silence after n tokens.", (b, v) => b with { HangAfterTokens = Count(v, int.MaxValue) }),
        new(
            "break_every",
            "Only the first of each n calls of this model is cut or hangs, and none that goes on from a beginning; 1 is every call.",
            (b, v) => b with { BreakEvery = Math.Max(1, Count(v, int.MaxValue)) }
        ),
        new(
            "prefill",
            "What a last message of the assistant gets: ignore (an answer of its own), continue (what follows it), refuse (400).",
            (b, v) => b with { Prefill = Word<SimPrefill>(v) }
        ),
        new("hang", "Silence: none, before_headers, before_first_token.", (b, v) => b with { Hang = Word<SimHang>(v) }),
        new("malformed", "A case of GET /sim/malformed instead of an answer.", (b, v) => b with { Malformed = Case(v) }),
    ];

    private static readonly Dictionary<string, SimControl> ByName = All.ToDictionary(control => control.Name, StringComparer.Ordinal);

    /// <summary>Sets one control.</summary>
    /// <exception cref="FormatException">Unknown name or impossible value; the message says which and what is allowed.</exception>
    public static SimBehaviour Apply(SimBehaviour behaviour, string name, string value)
    {
        if (!ByName.TryGetValue(name, out var control))
        {
            throw new FormatException($"There is no control '{name}'. Known: {string.Join(", ", ByName.Keys)}.");
        }

        try
        {
            return control.Apply(behaviour, value);
        }
        catch (FormatException problem)
        {
            throw new FormatException($"{name} cannot be '{value}': {problem.Message} {control.Help}", problem);
        }
    }

    /// <summary>Sets every control that has an <c>x-sim-…</c> header.</summary>
    /// <exception cref="FormatException">As in <see cref="Apply"/>.</exception>
    public static SimBehaviour ApplyHeaders(SimBehaviour behaviour, IHeaderDictionary headers)
    {
        const string Prefix = "x-sim-";
        foreach (var (header, value) in headers)
        {
            if (header.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase))
            {
                behaviour = Apply(behaviour, header[Prefix.Length..].ToLowerInvariant().Replace('-', '_'), value.ToString());
            }
        }

        return behaviour;
    }

    private static double Number(string value, double from, double to) =>
        double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && number >= from && number <= to
            ? number
            : throw new FormatException(string.Create(CultureInfo.InvariantCulture, $"a number from {from} to {to} is expected."));

    private static int Count(string value, int to) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count <= to
            ? count
            : throw new FormatException(string.Create(CultureInfo.InvariantCulture, $"a whole number from 0 to {to} is expected."));

    private static int? Limit(string value) => Count(value, int.MaxValue) is > 0 and var limit ? limit : null;

    private static int Status(string value) =>
        Count(value, 599) is >= 300 and var status ? status : throw new FormatException("a status from 300 to 599 is expected.");

    private static bool Flag(string value) =>
        bool.TryParse(value, out var flag) ? flag : throw new FormatException("true or false is expected.");

    private static TimeSpan Milliseconds(string value) => TimeSpan.FromMilliseconds(Number(value, 0, LongestWait.TotalMilliseconds));

    private static T Word<T>(string value)
        where T : struct, Enum =>
        Enum.TryParse<T>(value.Replace("_", "", StringComparison.Ordinal), ignoreCase: true, out var word) && Enum.IsDefined(word)
            ? word
            : throw new FormatException("it is none of the known words.");

    private static string? Case(string value) =>
        value.Length == 0 ? null
        : MalformedCases.Find(value) is not null ? value
        : throw new FormatException("there is no such case.");
}
