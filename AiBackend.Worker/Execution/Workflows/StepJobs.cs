using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Jobs;
using AiBackend.Core.Providers;
using AiBackend.Core.Queue;
using AiBackend.Core.Workflows;

namespace AiBackend.Worker.Execution.Workflows;

/// <summary>Submits the jobs that do the steps of a run: each once, whatever dies in between.</summary>
internal sealed class StepJobs(JobSubmission submission, QueuePools pools)
{
    /// <param name="run">The run's job.</param>
    /// <param name="step">What is to be done.</param>
    /// <param name="state">The step's row, which names the job.</param>
    /// <param name="values">What placeholders stand for.</param>
    /// <returns>False when too much is being submitted; nothing was then.</returns>
    public async Task<bool> SubmitAsync(ClaimedJob run, WorkflowStep step, StepState state, WorkflowValues values) =>
        await submission.SubmitAsync(Draft(run, step, state, values)) is SubmitOutcome.Accepted or SubmitOutcome.Replayed;

    private JobDraft Draft(ClaimedJob run, WorkflowStep step, StepState state, WorkflowValues values)
    {
        var terms = new JobTerms
        {
            Contract = step.Contract,
            Retrieve = step.Retrieve is { Query: { } query } asked
                ? asked with
                {
                    Query = WorkflowTemplates.Text(query, values),
                }
                : step.Retrieve,
        };
        var model = step.Model ?? ProviderCatalog.DefaultRoute;
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
            Input = Input(step, values),
            InputVersion = terms == JobTerms.None ? JobSchema.First : JobSchema.Terms,
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

    private static string Input(WorkflowStep step, WorkflowValues values) =>
        JsonSerializer.Serialize(
            new ChatInput
            {
                Messages =
                [
                    .. step.Messages!.Select(message =>
                        message with
                        {
                            Content = message.Content is { } content ? WorkflowTemplates.Text(content, values) : null,
                        }
                    ),
                ],
                MaxOutputTokens = step.MaxOutputTokens,
                Temperature = step.Temperature,
            },
            WireJson.Default.ChatInput
        );
}
