namespace AiBackend.Core.Webhooks;

/// <summary>Types of messages. Part of the contract with receivers.</summary>
public static class WebhookEvents
{
    /// <summary>An alert that is no budget's.</summary>
    public const string AlertRaised = "alert.raised";

    /// <summary>A budget reached a threshold.</summary>
    public const string BudgetThreshold = "budget.threshold";

    /// <summary>Somebody wants to see whether messages arrive. Nobody can have or not have it.</summary>
    public const string Test = "webhook.test";

    /// <summary>What an endpoint can be told of.</summary>
    public static IReadOnlyList<string> All { get; } =
    [
        "job.completed",
        "job.partially_completed",
        "job.failed",
        "job.cancelled",
        "job.waiting_for_tool",
        "job.waiting_for_review",
        BudgetThreshold,
        AlertRaised,
    ];
}
