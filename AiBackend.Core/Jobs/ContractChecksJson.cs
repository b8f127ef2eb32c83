using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs.Versions;

namespace AiBackend.Core.Jobs;

/// <summary>What contracts found about an attempt's answers, as its row keeps it.</summary>
internal static class ContractChecksJson
{
    /// <returns>Null when nothing was looked at.</returns>
    public static string? ToColumn(AttemptEnd end) =>
        end.Checks.Count == 0 ? null : JsonSerializer.Serialize(end.Checks, WireJson.Default.IReadOnlyListContractCheck);

    /// <summary>The same of one look.</summary>
    public static string? ToColumn(ContractCheck? check) =>
        check is null ? null : JsonSerializer.Serialize([check], WireJson.Default.IReadOnlyListContractCheck);

    public static IReadOnlyList<ContractCheck> Read(string? column) =>
        column is null ? [] : JsonSerializer.Deserialize(column, StoredJson.Lenient.IReadOnlyListContractCheck)!;

    /// <summary>What callers are told of them; null without a contract.</summary>
    public static JobContract? Verdict(string? column)
    {
        if (Read(column) is not [.., var last] checks)
        {
            return null;
        }

        return new JobContract(
            last.Verdict == Verdicts.Valid,
            checks is [{ Verdict: Verdicts.Valid, Repaired.Count: 0 }],
            checks.Count - 1 + last.Repaired.Count
        )
        {
            Verdict = last.Verdict,
            Violations = last.Violations,
        };
    }
}
