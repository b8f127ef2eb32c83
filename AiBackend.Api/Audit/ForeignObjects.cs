using AiBackend.Api.OpenAi.Batches;
using AiBackend.Api.OpenAi.Files;
using AiBackend.Api.OpenAi.Responses;
using AiBackend.Api.OpenAi.Wire;
using AiBackend.Api.Problems;
using AiBackend.Api.Webhooks;
using AiBackend.Core.Audit;

namespace AiBackend.Api.Audit;

/// <summary>Has it looked up whether what a caller was told does not exist is another tenant's.</summary>
internal static class ForeignObjects
{
    private static readonly Dictionary<ProblemType, string> Kinds = new()
    {
        [ProblemTypes.JobNotFound] = "job",
        [ProblemTypes.BulkNotFound] = "bulk_action",
        [ProblemTypes.AlertNotFound] = "alert",
        [ProblemTypes.BudgetNotFound] = "budget",
        [ProblemTypes.WebhookNotFound] = "webhook",
        [ProblemTypes.KeyNotFound] = "key",
        [ProblemTypes.FileNotFound] = "file",
        [ProblemTypes.BatchNotFound] = "batch",
        [ProblemTypes.DeliveryNotFound] = "delivery",
    };

    /// <summary>Costs the same whatever exists.</summary>
    public static void Note(HttpContext context, Refusal refusal)
    {
        if (
            refusal.Type.Status == StatusCodes.Status404NotFound
            && Kinds.TryGetValue(refusal.Type, out var kind)
            && context.Request.RouteValues[kind == "delivery" ? "message" : "id"] is string { Length: <= 64 } name
            && AuditedRequests.ActorOf(context) is { } actor
        )
        {
            Note(context, actor, kind, IdOf(name)?.ToString() ?? name);
        }
    }

    /// <summary>What a name with a prefix stands for.</summary>
    private static Guid? IdOf(string name) =>
        ResponseIds.JobOf(name) ?? FileIds.Parse(name) ?? BatchIds.Parse(name) ?? PrefixedIds.Parse(name, DeliveryRequests.Prefix);

    /// <summary>The same for what no address names.</summary>
    public static void Note(HttpContext context, AuditActor actor, string kind, string name) =>
        context.RequestServices.GetRequiredService<ForeignAttempts>().Note(actor, kind, name);
}
