using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Egress;
using AiBackend.Core.Jobs;
using AiBackend.Core.Webhooks;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>The address that a job names for messages about it.</summary>
internal sealed class JobWebhookRules(EgressRules egress, EndpointStore endpoints)
{
    private static readonly Refusal NoSecret = ProblemTypes.NoWebhookSecret.At(
        "webhook",
        "webhook is given, but this tenant has no secret to sign messages of jobs with. Make one first: POST /api/v1/webhooks with {\"for_jobs\": true}."
    );

    /// <summary>Whether the address may be written.</summary>
    public void Check(JobWebhook? webhook, FieldErrors errors)
    {
        if (webhook is not null && egress.Check(webhook.Url ?? "", out _) is { } fault)
        {
            errors.Add("webhook.url", fault);
        }
    }

    /// <returns>Why nobody could believe the messages, or null.</returns>
    public async ValueTask<Refusal?> RefuseNowAsync(JobDraft draft, CancellationToken cancellationToken) =>
        draft.WebhookUrl is null || await endpoints.TakesJobsAsync(draft.TenantId, cancellationToken) ? null : NoSecret;
}
