using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Files;
using AiBackend.Core.Jobs;
using AiBackend.Core.Providers;
using AiBackend.Core.Queue;
using AiBackend.Core.Queue.Estimates;
using AiBackend.Core.Workflows;
using AiBackend.Worker.Execution.Attached;
using Microsoft.Extensions.Options;

namespace AiBackend.Worker.Execution.Workflows;

/// <summary>Submits the jobs that do the steps of a run: each once, whatever dies in between.</summary>
internal sealed class StepJobs(
    JobSubmission submission,
    IJobStore store,
    QueuePools pools,
    ProviderCatalog providers,
    JobEstimates estimates,
    Attachments attachments,
    IOptions<FilesOptions> filesOptions
)
{
    /// <param name="run">The run's job.</param>
    /// <param name="definition">What the run does.</param>
    /// <param name="step">What is to be done.</param>
    /// <param name="state">The step's row, which names the job.</param>
    /// <param name="input">What the model is asked.</param>
    /// <param name="stop">Ends the wait, not a submission that was sent.</param>
    /// <returns>Whether there is the job now; false when too much is being submitted, and null when it was there and was deleted.</returns>
    public async Task<bool?> SubmitAsync(
        ClaimedJob run,
        RunInput definition,
        WorkflowStep step,
        StepState state,
        StepInput input,
        CancellationToken stop
    ) =>
        await submission.SubmitAsync(
            estimates.Estimate(Draft(run, definition, step, state, input, await attachments.PinAsync(run.TenantId, input.Files, stop)))
        ) switch
        {
            SubmitOutcome.Accepted => true,
            SubmitOutcome.Replayed(var job) => await store.FindStatusAsync(run.TenantId, job, stop) is null ? null : true,
            _ => false,
        };

    private JobDraft Draft(
        ClaimedJob run,
        RunInput definition,
        WorkflowStep step,
        StepState state,
        StepInput input,
        IReadOnlyList<JobFile>? files
    )
    {
        // What asks no model is stored with the run's, and waits where the run does: in the default pool, whatever pool that model has.
        var asksModel = input.Type == JobType.Chat;
        var model = asksModel ? step.Model ?? ProviderCatalog.DefaultRoute : run.Model;
        var terms = TermsOf(run, definition, step, input, model) with { Attachments = files };
        var key = FormattableString.Invariant($"workflow/{run.Lease.JobId}/{state.Name}/{state.Item ?? -1}");
        return new JobDraft
        {
            Id = state.JobId!.Value,
            TenantId = run.TenantId,
            KeyId = run.KeyId,
            Type = input.Type,
            Priority = JobTraitNames.TryParsePriority(step.Priority ?? "", out var own) && own > run.Priority ? own : run.Priority,
            Model = model,
            Pool = asksModel ? pools.PoolOf(model) : QueuePools.Default,
            MaxAttempts = step.MaxAttempts ?? JobDraft.DefaultMaxAttempts,
            Deadline = run.TimeLeft is { } left ? run.CreatedAt + run.Age + left : null,
            Input = input.Json,
            InputVersion = terms == JobTerms.None ? input.Version : Math.Max(input.Version, terms.Version),
            Terms = terms.ToColumn(),
            WritesArtifact = terms.Artifact is not null,
            Title = state.Item is { } item ? FormattableString.Invariant($"{state.Name} {item + 1}") : state.Name,
            Feature = run.Feature,
            EndUser = run.EndUser,
            Metadata = JsonSerializer.Serialize(
                new Dictionary<string, string>(StringComparer.Ordinal)
                {
                    ["aibackend_run"] = run.Lease.JobId.ToString(),
                    ["aibackend_step"] = state.Name,
                },
                WireJson.Default.IReadOnlyDictionaryStringString
            ),
            TraceParent = run.TraceParent,
            IdempotencyKey = key,
            Fingerprint = SHA256.HashData(Encoding.UTF8.GetBytes(key)),
        };
    }

    private JobTerms TermsOf(ClaimedJob run, RunInput definition, WorkflowStep step, StepInput input, string model)
    {
        var names = step.Tool is { } one ? [one] : step.Tools;
        var terms = new JobTerms
        {
            Contract = input.Contract ?? step.Contract,
            Artifact = step.Artifact is { } artifact
                ? new ArtifactTerms(
                    FileNames.Clean(input.FileName, step.Name ?? "answer"),
                    artifact.Type!,
                    (int)filesOptions.Value.KeptFor.TotalSeconds
                )
                : null,
            Retrieve = step.Retrieve is { } asked ? asked with { Query = input.Query } : null,
            Tools = names is { Count: > 0 }
                ? new ToolTerms(
                    [.. (definition.Tools ?? []).Where(tool => names.Contains(tool.Name, StringComparer.Ordinal))],
                    step.MaxToolCalls
                )
                : null,
            Backoff = step.Backoff is { } backoff ? Backoff.Of(backoff.InitialSeconds, backoff.MaxSeconds, backoff.Factor) : null,
            Run = definition.Limits is { } limits ? new RunTerms(run.Lease.JobId, limits.MaxCostUsd, limits.MaxTokens) : null,
        };
        // As for any job: the route's holds where the step has none.
        return input.Type == JobType.Chat ? terms with { Contract = terms.ContractOr(() => providers.Definition(model)?.Contract) } : terms;
    }
}
