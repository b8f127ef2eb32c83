using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Jobs;
using AiBackend.Core.Providers;
using AiBackend.Core.Queue;
using AiBackend.Core.Workflows;

namespace AiBackend.Worker.Execution.Workflows;

/// <summary>Submits the jobs that do the steps of a run: each once, whatever dies in between.</summary>
internal sealed class StepJobs(JobSubmission submission, IJobStore store, QueuePools pools, ProviderCatalog providers)
{
    /// <param name="run">The run's job.</param>
    /// <param name="step">What is to be done.</param>
    /// <param name="state">The step's row, which names the job.</param>
    /// <param name="input">What the model is asked.</param>
    /// <param name="stop">Ends the wait, not a submission that was sent.</param>
    /// <returns>Whether there is the job now; false when too much is being submitted, and null when it was there and was deleted.</returns>
    public async Task<bool?> SubmitAsync(ClaimedJob run, WorkflowStep step, StepState state, StepInput input, CancellationToken stop) =>
        await submission.SubmitAsync(Draft(run, step, state, input)) switch
        {
            SubmitOutcome.Accepted => true,
            SubmitOutcome.Replayed(var job) => await store.FindStatusAsync(run.TenantId, job, stop) is null ? null : true,
            _ => false,
        };

    private JobDraft Draft(ClaimedJob run, WorkflowStep step, StepState state, StepInput input)
    {
        var model = step.Model ?? ProviderCatalog.DefaultRoute;
        var terms = new JobTerms
        {
            // As for any job: the route's holds where the step has none.
            Contract = step.Contract ?? providers.Definition(model)?.Contract,
            Retrieve = step.Retrieve is { } asked ? asked with { Query = input.Query } : null,
        };
        var key = FormattableString.Invariant($"workflow/{run.Lease.JobId}/{state.Name}/{state.Item ?? -1}");
        return new JobDraft
        {
            Id = state.JobId!.Value,
            TenantId = run.TenantId,
            KeyId = run.KeyId,
            Type = JobType.Chat,
            Priority = JobTraitNames.TryParsePriority(step.Priority ?? "", out var own) && own > run.Priority ? own : run.Priority,
            Model = model,
            Pool = pools.PoolOf(model),
            MaxAttempts = step.MaxAttempts ?? JobDraft.DefaultMaxAttempts,
            Deadline = run.TimeLeft is { } left ? run.CreatedAt + run.Age + left : null,
            Input = input.ToJson(),
            InputVersion = terms == JobTerms.None ? JobSchema.Of(input.Chat) : JobSchema.Terms,
            Terms = terms.ToColumn(),
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
}
