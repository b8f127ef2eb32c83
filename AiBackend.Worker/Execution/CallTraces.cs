using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Providers;

namespace AiBackend.Worker.Execution;

/// <summary>What is recorded of an attempt's provider calls.</summary>
internal static class CallTraces
{
    public static CallTrace Of(ChatCall call) =>
        new(
            call.Provider,
            call.Model,
            call.ModelVersion,
            call.After.TotalSeconds,
            call.Time.TotalSeconds,
            call.Usage,
            call.Failure is { } failure ? new(failure.Code, failure.Class, failure.Message, failure.Retryable) : null
        )
        {
            RouteVersion = call.RouteVersion,
        };

    /// <summary>Of all calls that told it, also of those that broke off.</summary>
    public static JobUsage? UsageOf(IReadOnlyList<ChatCall> calls) =>
        calls
            .Select(call => call.Usage)
            .OfType<JobUsage>()
            .Aggregate(
                (JobUsage?)null,
                (sum, next) =>
                    sum is null
                        ? next
                        : new JobUsage(
                            sum.InputTokens + next.InputTokens,
                            sum.CachedTokens + next.CachedTokens,
                            sum.OutputTokens + next.OutputTokens,
                            sum.CostUsd + next.CostUsd
                        )
                        {
                            ReasoningTokens = sum.ReasoningTokens + next.ReasoningTokens,
                        }
            );
}
