using AiBackend.ApiContracts.Operations;
using AiBackend.Web.Runs;

namespace AiBackend.Web.Operations;

/// <summary>What is held back, in the words of the pages.</summary>
internal static class ControlWords
{
    public static string Mode(string mode) =>
        mode switch
        {
            "running" => "Running",
            "paused" => "Paused",
            "draining" => "Draining",
            _ => mode,
        };

    /// <summary>The status it looks like.</summary>
    public static string Look(string mode) =>
        mode switch
        {
            "running" => "healthy",
            "paused" => "cancelled",
            _ => "draining",
        };

    /// <summary>Why jobs wait, or are refused.</summary>
    public static string Banner(ControlInfo control) =>
        control.Mode == "draining"
            ? $"The {control.Kind} {control.Name} is draining: new jobs are refused, what was accepted is done."
            : $"The {control.Kind} {control.Name} is paused: its jobs are accepted and wait.";

    /// <summary>That new jobs are refused because too much waits.</summary>
    public static string Full(QueueCapacityInfo capacity) =>
        capacity.Refusing == "max_wait" && capacity.ExpectedWaitSeconds is { } wait
            ? $"New jobs are refused: they would wait for about {RunWords.Seconds(wait)}."
            : $"The queue is full: {RunWords.Count(capacity.Waiting, "job waits", "jobs wait")}, and new ones are refused.";

    /// <summary>What an act will do, before it is done.</summary>
    public static string Effect(string act, ControlRequest target) =>
        (act, target.Kind) switch
        {
            ("pause", "provider") =>
                $"No call to {target.Name} will begin. Jobs that another provider can answer go there; the others wait.",
            ("pause", _) => $"Jobs of the {target.Kind} {target.Name} will be accepted and not started. Those that run go on.",
            (_, "provider") => $"{target.Name} will answer only jobs accepted until now. New jobs that nobody else can answer are refused.",
            _ => $"New jobs of the {target.Kind} {target.Name} will be refused. What was accepted is done.",
        };
}
