using AiBackend.Api.Problems;

namespace AiBackend.Api.Auth.Limits;

/// <summary>Whoever asks for what the tenant of its key does not have is mistaken, or guesses: at whatever address, it may so often.</summary>
internal static class UnknownObjects
{
    // What has an id by chance. Names that people choose are asked for to see whether there is such a thing, which is nobody's secret.
    private static readonly HashSet<ProblemType> Guessed =
    [
        ProblemTypes.JobNotFound,
        ProblemTypes.BulkNotFound,
        ProblemTypes.AlertNotFound,
        ProblemTypes.BudgetNotFound,
        ProblemTypes.KeyNotFound,
        ProblemTypes.UserNotFound,
        ProblemTypes.ReviewNotFound,
        ProblemTypes.WebhookNotFound,
        ProblemTypes.DeliveryNotFound,
        ProblemTypes.ConversationNotFound,
        ProblemTypes.FileNotFound,
        ProblemTypes.UnknownAttachment,
        ProblemTypes.BatchNotFound,
    ];

    /// <returns>The refusal, or that there were too many of them.</returns>
    public static Refusal Count(HttpContext context, Refusal refusal) =>
        IsUnknown(refusal) && context.User.Identity is CallerIdentity { Caller: { } caller }
            ? context.RequestServices.GetRequiredService<AttemptLimits>().CountUnknown(caller.KeyId) ?? refusal
            : refusal;

    /// <summary>Of addresses, and of ids in bodies.</summary>
    public static bool IsUnknown(Refusal refusal) => refusal.IsOfUnknownId || Guessed.Contains(refusal.Type);
}
