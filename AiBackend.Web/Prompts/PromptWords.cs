using AiBackend.ApiContracts.Prompts;
using AiBackend.Web.Runs;
using static System.FormattableString;

namespace AiBackend.Web.Prompts;

/// <summary>Prompts in words.</summary>
internal static class PromptWords
{
    public static string Says(PromptLabel label) =>
        label.Canary is { } canary
            ? Invariant($"{label.Label}: version {label.Version}, and version {canary.Version} for {canary.Percent:0.##} %")
            : Invariant($"{label.Label}: version {label.Version}");

    public static string FirstPass(PromptStatistics? statistics) =>
        statistics is { Answers: > 0 } known ? RunWords.Share(known.FirstPass, known.Answers) : "–";

    public static string Cost(PromptStatistics? statistics) =>
        statistics is { Jobs: > 0 } known ? RunWords.Cost(known.CostUsd / known.Jobs) : "–";

    public static string Labels(Prompt prompt, int version) =>
        string.Join(
            ", ",
            prompt
                .Labels.Where(label => label.Version == version)
                .Select(label => label.Label)
                .Concat(prompt.Labels.Where(label => label.Canary?.Version == version).Select(label => label.Label + " (canary)"))
                .Concat(version == prompt.Latest ? ["latest"] : [])
        );

    /// <summary>The page of a version that a job shows as <c>name@version</c>.</summary>
    public static string Address(string pin) => "prompts/" + Uri.EscapeDataString(pin.Split('@')[0]);
}
