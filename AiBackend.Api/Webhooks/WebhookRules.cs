using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Webhooks;
using AiBackend.Core.Egress;
using AiBackend.Core.Webhooks;

namespace AiBackend.Api.Webhooks;

/// <summary>What an endpoint may be.</summary>
internal sealed class WebhookRules(EgressRules egress)
{
    private const int MostDescription = 256;

    /// <returns>Why there can be no such endpoint, or null; then <paramref name="endpoint"/> is set.</returns>
    public Refusal? CheckNew(NewWebhook request, Guid tenantId, out WebhookEndpoint endpoint)
    {
        var errors = new FieldErrors();
        var forJobs = request.ForJobs is true;
        if (forJobs && request.Url is not null)
        {
            errors.Add("url", "is given together with for_jobs; each job names its own address, so leave it out.");
        }

        if (!forJobs)
        {
            CheckUrl(request.Url ?? "", errors);
        }

        errors.CheckText("description", request.Description, MostDescription);
        CheckEvents(request.Events, errors);
        endpoint = new WebhookEndpoint
        {
            Id = Guid.CreateVersion7(),
            TenantId = tenantId,
            Url = request.Url,
            Description = request.Description,
            Events = [.. (request.Events ?? []).Distinct(StringComparer.Ordinal)],
        };
        return errors.ToRefusal();
    }

    /// <returns>Why it cannot be changed so, or null; then <paramref name="change"/> is set.</returns>
    public Refusal? CheckChange(WebhookChange request, WebhookEndpoint endpoint, out EndpointChange change)
    {
        var errors = new FieldErrors();
        if (request.Url is { } url)
        {
            if (endpoint.Url is null)
            {
                errors.Add("url", "cannot be set: this webhook is for jobs that name their own address.");
            }
            else
            {
                CheckUrl(url, errors);
            }
        }

        errors.CheckText("description", request.Description, MostDescription);
        CheckEvents(request.Events, errors);
        IReadOnlyList<string>? types = request.Events is { } events ? [.. events.Distinct(StringComparer.Ordinal)] : null;
        change = new EndpointChange(request.Url, request.Description, types, request.Enabled);
        return errors.ToRefusal();
    }

    private void CheckUrl(string url, FieldErrors errors)
    {
        if (egress.Check(url, out _) is { } fault)
        {
            errors.Add("url", fault);
        }
    }

    private static void CheckEvents(IReadOnlyList<string>? events, FieldErrors errors)
    {
        if (events?.FirstOrDefault(type => !WebhookEvents.All.Contains(type, StringComparer.Ordinal)) is { } unknown)
        {
            errors.Add("events", $"has {Quoted.Of(unknown)}; known are {string.Join(", ", WebhookEvents.All)}.");
        }
    }
}
