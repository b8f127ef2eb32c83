using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Core.Jobs;

/// <summary>The provider calls of an attempt, as its row keeps them.</summary>
internal static class AttemptCalls
{
    /// <returns>Null for the usual attempt, whose one call the row's other columns tell: nobody pays for writing it twice.</returns>
    public static string? ToColumn(AttemptEnd end) =>
        end.Calls.Count == 0 || (end.Calls is [{ RouteVersion: null }] && end.ServedBy is not null)
            ? null
            : JsonSerializer.Serialize(end.Calls, WireJson.Default.IReadOnlyListCallTrace);

    /// <summary>The calls of an attempt that has been read in all its other columns.</summary>
    public static IReadOnlyList<CallTrace> Read(string? column, AttemptTrace attempt) =>
        column is not null ? JsonSerializer.Deserialize(column, WireJson.Default.IReadOnlyListCallTrace)!
        : attempt is { Provider: { } provider, EndedAt: { } endedAt }
            ?
            [
                new CallTrace(
                    provider,
                    attempt.Model!,
                    attempt.ModelVersion,
                    0,
                    (endedAt - attempt.StartedAt).TotalSeconds,
                    attempt.Usage,
                    attempt.Error
                ),
            ]
        : [];
}
