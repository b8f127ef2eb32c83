using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>Looks at the members of a submit body that have nothing to do with its type.</summary>
internal sealed class JobFieldRules(JobWebhookRules webhooks, TimeProvider clock)
{
    private static readonly TimeSpan LongestDelay = TimeSpan.FromDays(366);

    public void Check(SubmitJobRequest request, FieldErrors errors, out JobPriority priority)
    {
        priority = JobPriority.Standard;
        if (request.Priority is { } name && !JobTraitNames.TryParsePriority(name, out priority))
        {
            errors.Add("priority", $"is {Quoted.Of(name)}; it must be one of {string.Join(", ", JobTraitNames.AllPriorities)}.");
        }

        CheckModel(request.Model, errors);
        if (request.Cache is not (null or "off" or "read_write"))
        {
            errors.Add("cache", $"is {Quoted.Of(request.Cache)}; it must be one of off, read_write.");
        }

        errors.CheckText("feature", request.Feature, 64);
        errors.CheckText("user", request.User, 128);
        errors.CheckRange("max_attempts", request.MaxAttempts, 1, 20);
        if (CostLimit.FaultOf(request.MaxCostUsd) is { } fault)
        {
            errors.Add("max_cost_usd", fault);
        }

        webhooks.Check(request.Webhook, errors);
        MetadataRules.Check(request.Metadata, errors);
        if (request.NotBefore > clock.GetUtcNow() + LongestDelay)
        {
            errors.Add("not_before", $"is {request.NotBefore:O}; it may lie at most {LongestDelay.TotalDays} days ahead.");
        }

        if (request.Deadline <= request.NotBefore)
        {
            errors.Add("deadline", $"is {request.Deadline:O}, which is not after not_before ({request.NotBefore:O}).");
        }
    }

    /// <summary>What a model's name may be.</summary>
    public static void CheckModel(string? model, FieldErrors errors) => errors.CheckText("model", model, 128);
}
