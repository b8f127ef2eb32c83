using System.Globalization;
using AiBackend.ApiContracts.Jobs;
using static System.FormattableString;

namespace AiBackend.Web.Runs;

/// <summary>States, waits and numbers in the words of the pages.</summary>
internal static class RunWords
{
    /// <summary>Longest title the Api sends.</summary>
    private const int CutAt = 80;

    /// <summary>The status as a person would say it.</summary>
    public static string Status(string status) =>
        status switch
        {
            JobStatuses.Scheduled => "Scheduled",
            JobStatuses.Queued => "Waiting",
            JobStatuses.Processing => "Writing",
            JobStatuses.WaitingForTool => "Waiting for a tool",
            JobStatuses.WaitingForReview => "Needs a reviewer",
            JobStatuses.Retrying => "Trying again",
            JobStatuses.Completed => "Done",
            JobStatuses.PartiallyCompleted => "Partly done",
            JobStatuses.Failed => "Failed",
            JobStatuses.Cancelled => "Stopped by you",
            _ => status,
        };

    /// <summary>The status with everything that is known about it: why, how long, when next.</summary>
    public static string Sentence(RunView run, Func<DateTimeOffset, string> clockTime) =>
        run.Status switch
        {
            JobStatuses.Scheduled when run.NextAttemptAt is { } due => $"Scheduled for {clockTime(due)}",
            JobStatuses.Queued => "Waiting" + Place(run.Job?.Queue) + Reason(run.WaitingReason),
            JobStatuses.Processing when run.TextLength == 0 => "Starting to write",
            JobStatuses.Retrying when Code(run.WaitingReason) is "steps" => "Waiting for its steps",
            JobStatuses.Retrying when Code(run.WaitingReason) is "conversation" => "Waiting for the answer before it in its conversation",
            JobStatuses.Retrying when Code(run.WaitingReason) is "single_flight" =>
                "Another run asks exactly the same; this one waits for its answer",
            JobStatuses.Retrying when Code(run.WaitingReason) is "running_limit" =>
                "As many runs as may go at once are under way; this one follows when one has ended",
            JobStatuses.Retrying when Code(run.WaitingReason) is "paused" =>
                "An operator paused the model provider, so this waits until it is resumed",
            JobStatuses.Retrying when run.NextAttemptAt is { } next => Code(run.WaitingReason) switch
            {
                "retry_budget" => $"The model provider fails often, so tries are spread out; next at {clockTime(next)}",
                "provider_down" => $"The model provider is down, so this waits; looks again at {clockTime(next)}",
                "storage" => $"The database was busy, so nobody was asked yet; tries again at {clockTime(next)}",
                "tool_rate" => $"The tool is called only so often a minute, so this waits; calls it at {clockTime(next)}",
                "rate_limit" => "The model provider limits how fast we may ask" + Turn(run.Job?.Queue, clockTime(next)),
                "budget" when run.WaitingReason!.StartsWith("budget:unpriced", StringComparison.Ordinal) =>
                    "A budget applies, and nobody has said what this model costs; it waits for a price",
                "budget" when run.WaitingReason!.StartsWith("budget:too_large", StringComparison.Ordinal) =>
                    "It is likely to cost more than a whole budget; it waits for a higher one",
                "budget" => $"The budget is spent for now; it goes on when there is money again, and looks again at {clockTime(next)}",
                _ => $"{Try(run.Attempt)} failed, next at {clockTime(next)}",
            },
            _ => Status(run.Status),
        };

    /// <summary>What was found about a step's value.</summary>
    public static string Kept(JobContract contract) =>
        contract.Valid
            ? "keeps its contract"
            : $"breaks its contract ({contract.Verdict}): {string.Join(' ', contract.Violations.Take(3).Select(each => $"{(each.Path.Length == 0 ? "the value" : each.Path)} {each.Message}"))}";

    /// <summary>How well a passage fits: comparable within one search, and small.</summary>
    public static string Score(double score) => score.ToString("0.###", CultureInfo.CurrentCulture);

    /// <summary>What keeps a run of which nobody could be asked yet, as a step's name; null when something has failed.</summary>
    public static string? WaitsFor(RunView run) =>
        run.Status is not JobStatuses.Retrying
            ? null
            : Code(run.WaitingReason) switch
            {
                "rate_limit" or "provider_down" or "retry_budget" or "paused" => "Waiting for the model provider",
                "budget" => "Waiting for the budget",
                "single_flight" => "Waiting for an equal run's answer",
                "running_limit" => "Waiting for another run to end",
                "storage" => "Waiting for the database",
                "tool_rate" => "Waiting for a tool",
                "steps" => "Waiting for its steps",
                "conversation" => "Waiting for the answer before",
                _ => null,
            };

    /// <summary>What the queue knows: “, about 3rd in line, about 20 s to 40 s”.</summary>
    private static string Place(QueuePlace? queue)
    {
        var eta = (queue?.EtaP50, queue?.EtaP90) switch
        {
            ({ } typical, { } mostly) when Words(typical) != Words(mostly) => $", about {Words(typical)} to {Words(mostly)}",
            ({ } typical, _) => $", about {Words(typical)}",
            _ => "",
        };
        var place = queue?.Position switch
        {
            null => "",
            0 => ", next in line",
            { } ahead => $", about {Ordinal(ahead + 1)} in line",
        };
        return place + eta;

        static string Words(double seconds) => Duration(TimeSpan.FromSeconds(seconds));
    }

    // What the line knows is better than the turn, which is put off while others go first.
    private static string Turn(QueuePlace? queue, string due) => Place(queue) is { Length: > 0 } place ? place : $"; its turn is at {due}";

    /// <summary>A reason without what it is about: <c>rate_limit</c> of <c>rate_limit:openai/gpt:…</c>.</summary>
    private static string? Code(string? reason) => reason?.Split(':')[0];

    private static string Reason(string? reason) =>
        Code(reason) switch
        {
            null or "capacity" => "",
            "rate_limit" => ". The model provider limits how fast we may ask",
            "budget" => ". The budget for now is spent",
            "paused" => $". An operator paused {Paused(reason!)}",
            "isolation" => ". It runs alone, because its worker died twice",
            "backoff" => ". A short pause before the next try",
            _ => "",
        };

    /// <summary>The text so far stands, and another call goes on from there.</summary>
    public const string Continued = "The answer broke off and was continued from there.";

    /// <summary><c>paused:model/gpt</c> as “the model gpt”.</summary>
    private static string Paused(string reason) =>
        reason.Split(':', 2) is [_, var held] && held.Split('/', 2) is [var kind, var name] ? $"the {kind} {name}" : "the queue";

    public static string Abandoned(ResetEvent reset) =>
        reset.Reason switch
        {
            "stream_cut" => "The answer broke off; its text was dropped and it began anew.",
            "provider_failure" => $"{Try(reset.Attempt)} broke off at the provider; its text was dropped.",
            "worker_lost" => $"{Try(reset.Attempt)} was interrupted; its text was dropped.",
            "worker_draining" => $"{Try(reset.Attempt)} moved to another worker and began anew.",
            "tool_calls" or JobStatuses.WaitingForTool => "The model asked for tools, and goes on with what they gave.",
            "contract_violation" => "The answer broke its contract; it was dropped, and the model was told why.",
            _ => $"{Try(reset.Attempt)} was given up; its text was dropped.",
        };

    public static string Try(int attempt) =>
        attempt switch
        {
            <= 1 => "First try",
            2 => "Second try",
            3 => "Third try",
            _ => Invariant($"Try {attempt}"),
        };

    /// <summary>How fast a provider is asked that wants to be asked less often.</summary>
    public static string Pace(ApiContracts.Operations.ProviderPace pace) =>
        Invariant($"slowed to {pace.PerSecond:0.#} of {pace.FullPerSecond:0.#} calls/s");

    /// <summary>A length of time with its unit: “0.4 s”, “12 s”, “3 min 5 s”, “2 h 4 min”.</summary>
    public static string Duration(TimeSpan time) =>
        time.TotalSeconds switch
        {
            < 0.0005 => "0 s",
            < 0.0995 => Invariant($"{time.TotalMilliseconds:0} ms"),
            < 9.95 => Invariant($"{time.TotalSeconds:0.0} s"),
            < 59.5 => Invariant($"{time.TotalSeconds:0} s"),
            _ => Whole(TimeSpan.FromSeconds(Math.Round(time.TotalSeconds))),
        };

    private static string Whole(TimeSpan time) =>
        time.TotalSeconds switch
        {
            < 3600 => Invariant($"{(int)time.TotalMinutes} min") + (time.Seconds > 0 ? Invariant($" {time.Seconds} s") : ""),
            < 86_400 => Invariant($"{(int)time.TotalHours} h {time.Minutes} min"),
            _ => Invariant($"{(int)time.TotalDays} d {time.Hours} h"),
        };

    public static string Seconds(double? seconds) => seconds is { } value ? Duration(TimeSpan.FromSeconds(value)) : "–";

    /// <summary>Money, with as many digits as small amounts need.</summary>
    public static string Cost(decimal? usd) =>
        usd switch
        {
            null => "unknown",
            0 => "$0",
            > 0 and < 0.0001m => "under $0.0001",
            < 0.1m => Invariant($"${usd:0.0000}"),
            _ => Invariant($"${usd:#,0.00}"),
        };

    /// <summary>Money for an answer; what nobody would bill is no cost rather than an unknown one.</summary>
    public static string Cost(decimal? usd, ServedBy? servedBy) => usd is null && servedBy is { Simulated: true } ? "none" : Cost(usd);

    /// <summary>What became of a call's money.</summary>
    public static string Call(LedgerEntry call) =>
        call.State switch
        {
            "settled" => $"cost {Cost(call.CostUsd)}" + (call.ReservedUsd is { } reserved ? $" of {Cost(reserved)} set aside" : ""),
            "released" => "not made",
            "unknown_spend" => $"broke off, may have cost {Cost(call.CostUsd)}",
            _ => $"under way, {Cost(call.ReservedUsd)} set aside",
        };

    /// <summary>The first words of a request; what the Api cut in a word ends before it.</summary>
    public static string Title(string title) =>
        title.Length < CutAt ? title
        : title.LastIndexOf(' ') is > CutAt / 2 and var space ? title[..space] + " …"
        : title + "…";

    /// <summary>A share in per cent, rounded down: one failure in ten thousand must not read as none.</summary>
    public static string Share(long part, long all) => Invariant($"{Math.Floor(1000d * part / all) / 10:0.#} %");

    public static string Number(long number) => number.ToString("#,0", CultureInfo.InvariantCulture).Replace(',', ' ');

    public static string Count(long number, string one, string many) => Number(number) + " " + (number == 1 ? one : many);

    private static string Ordinal(long number) =>
        number
        + (
            (number % 100, number % 10) switch
            {
                (11 or 12 or 13, _) => "th",
                (_, 1) => "st",
                (_, 2) => "nd",
                (_, 3) => "rd",
                _ => "th",
            }
        );
}
