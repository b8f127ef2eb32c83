#if FAULT_POINTS
using System.Globalization;
using System.Text.RegularExpressions;

namespace AiBackend.Core.Faults;

/// <summary>What happens at a fault point.</summary>
internal enum FaultAction
{
    /// <summary>The process ends as by <c>kill -9</c>.</summary>
    Kill,

    /// <summary>The process is frozen as by <c>kill -STOP</c>, until somebody sends <c>-CONT</c>.</summary>
    Stop,

    /// <summary>The thread waits, and goes on.</summary>
    Stall,

    /// <summary>The process ends as by a fault of the runtime.</summary>
    Fail,

    /// <summary>The process takes memory until it gets none, and ends of it. For processes with a limit (<c>DOTNET_GCHeapHardLimit</c>).</summary>
    Grow,
}

/// <summary>One entry of a plan: the n-th hit of a point, perhaps of one subject only, does something after a delay.</summary>
internal sealed record FaultEntry(FaultPoint Point, string? Subject, FaultAction Action, TimeSpan Delay, int AtHit)
{
    private int _hits;

    /// <summary>Counts a hit of this entry's point.</summary>
    /// <returns>Whether it is the one.</returns>
    public bool IsDue(FaultPoint point, string? subject) => point == Point && (Subject is null || Subject == subject) && ++_hits == AtHit;
}

/// <summary>The language of <c>AIBACKEND_FAULT</c>: <c>K9:kill@2;K12:stall=40s;K10:stop;K7[a-model]:fail</c>.</summary>
internal static partial class FaultPlan
{
    private const string Example = "AIBACKEND_FAULT takes entries like K9:kill@2;K12:stall=40s;K10:stop;K7[a-model]:fail";

    private static readonly Dictionary<int, string> NotBuilt = new() { [19] = "webhooks" };

    /// <returns>The entries, or null with what is wrong and what would be right.</returns>
    public static IReadOnlyList<FaultEntry>? TryParse(string text, out string? problem)
    {
        problem = null;
        var plan = new List<FaultEntry>();
        foreach (var part in text.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (ParseEntry(part, out problem) is not { } entry)
            {
                return null;
            }

            plan.Add(entry);
        }

        if (plan.Count == 0)
        {
            problem = $"AIBACKEND_FAULT is set and names no fault. Remove it, or name one: {Example}.";
            return null;
        }

        return plan;
    }

    private static FaultEntry? ParseEntry(string part, out string? problem)
    {
        if (Entry().Match(part) is not { Success: true } match)
        {
            problem = $"AIBACKEND_FAULT has '{part}', which is no fault. {Example}; stall needs a time (ms or s), the others may have one.";
            return null;
        }

        var name = "K" + match.Groups["point"].Value;
        var number = int.Parse(match.Groups["point"].Value, CultureInfo.InvariantCulture);
        if (NotBuilt.TryGetValue(number, out var feature))
        {
            problem =
                $"AIBACKEND_FAULT names {name}, which belongs to {feature}: not built yet, so the fault would never happen. Remove it.";
            return null;
        }

        if (!Enum.IsDefined((FaultPoint)number))
        {
            problem = $"AIBACKEND_FAULT names {name}. The points are {string.Join(", ", Enum.GetNames<FaultPoint>())}.";
            return null;
        }

        problem = null;
        return new FaultEntry(
            (FaultPoint)number,
            match.Groups["subject"] is { Success: true, Value: var subject } ? subject : null,
            Enum.Parse<FaultAction>(match.Groups["action"].Value, ignoreCase: true),
            DelayOf(match),
            match.Groups["hit"] is { Success: true, Value: var hit } ? int.Parse(hit, CultureInfo.InvariantCulture) : 1
        );
    }

    private static TimeSpan DelayOf(Match match)
    {
        if (!match.Groups["time"].Success)
        {
            return TimeSpan.Zero;
        }

        var amount = int.Parse(match.Groups["time"].Value, CultureInfo.InvariantCulture);
        return match.Groups["unit"].Value == "s" ? TimeSpan.FromSeconds(amount) : TimeSpan.FromMilliseconds(amount);
    }

    // A stall without a time would be no fault at all.
    [GeneratedRegex(
        @"^K(?<point>\d{1,2})(\[(?<subject>[^\]]+)\])?:((?<action>kill|stop|fail|grow)(=(?<time>\d{1,6})(?<unit>ms|s))?|(?<action>stall)=(?<time>\d{1,6})(?<unit>ms|s))(@(?<hit>[1-9]\d{0,5}))?$",
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture,
        matchTimeoutMilliseconds: 1000
    )]
    private static partial Regex Entry();
}
#endif
