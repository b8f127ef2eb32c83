using AiBackend.ApiContracts.DeadLetters;
using AiBackend.Web.Runs;

namespace AiBackend.Web.DeadLetters;

/// <summary>Dead letters in the words of the pages.</summary>
internal static class LetterWords
{
    /// <summary>What kind of failure it is, and so whose turn it is.</summary>
    public static string Class(string errorClass) =>
        errorClass switch
        {
            "transient" => "Provider away or slow",
            "rate_limited" => "Provider's limit",
            "provider_auth" => "Access refused",
            "contract_violation" => "Answer not usable",
            _ => "Unknown",
        };

    /// <summary>What a replay may cost, from what the same jobs used before; what is not known is said.</summary>
    public static string Preview(BulkPreview preview)
    {
        if (preview.Letters == 0)
        {
            return "Nothing is left to replay.";
        }

        if (preview.LettersWithUsage == 0)
        {
            return "What a replay costs is unknown: none of these jobs got far enough to use tokens.";
        }

        var tokens = $"{RunWords.Number(preview.InputTokens)} tokens in and {RunWords.Number(preview.OutputTokens)} out";
        var cost = preview.CostUsd is { } usd ? $", {RunWords.Cost(usd)}" : ", at an unknown price";
        var unknown = preview.Letters - (preview.CostUsd is null ? preview.LettersWithUsage : preview.LettersWithCost);
        return $"Before, these jobs used {tokens}{cost}."
            + (unknown > 0 ? $" For {RunWords.Count(unknown, "job", "jobs")} it is not known." : "");
    }
}
