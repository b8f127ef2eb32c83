using System.Text.Json;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Jobs;
using AiBackend.Core.Workflows;

namespace AiBackend.Api.Workflows;

/// <summary><c>POST /api/v1/workflows/{name}/runs</c>: begins a run, with all that it needs pinned.</summary>
internal sealed class StartRun(WorkflowStore store, JobRequestRules rules, RunRules runs, RerunSource reruns, SubmitJob submit)
{
    public async Task RunAsync(HttpContext context)
    {
        var refusal = SubmitHeaders.Check(context.Request, out var key);
        var (unreadable, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.RunWorkflowRequest);
        refusal ??= unreadable ?? CheckLimits(request.Limits);
        if (refusal is null)
        {
            var (run, noRun) = await FindRunAsync(context, request);
            if (run is not null)
            {
                (noRun, run) = await runs.PinAsync(context, run with { Limits = Lower(run.Definition.Limits, request.Limits) });
            }

            refusal =
                TryDraft(context, run, request, key, out var draft)
                // A repeat of what was accepted then is answered as then, whatever became of the workflow.
                ?? await submit.AcceptAsync(context, draft, noRun ?? await runs.RefuseNowAsync(context, run!));
        }

        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
        }
    }

    /// <returns>What is to be run, or why there is nothing.</returns>
    private async Task<(RunInput? Run, Refusal? Refusal)> FindRunAsync(HttpContext context, RunWorkflowRequest request)
    {
        if (request.Rerun is not null)
        {
            return await reruns.FindAsync(context.GetTenantId(), WorkflowRequests.NameOf(context), request, context.RequestAborted);
        }

        return
            await store.FindAsync(context.GetTenantId(), WorkflowRequests.NameOf(context), request.Version, context.RequestAborted)
                is { } workflow
            ? (
                new RunInput
                {
                    Workflow = workflow.Name,
                    Version = workflow.Version,
                    Definition = workflow.Definition,
                    Input = request.Input,
                },
                null
            )
            : (null, WorkflowRequests.Unknown(context, request.Version ?? 0));
    }

    /// <summary>What older workers know they may run.</summary>
    private static short VersionOf(RunInput run) =>
        run is { Limits: null, Tools: null, Definition.Contract: null }
        // What they know a contract of is a chat, and what people and events bring.
        && !run.Definition.Steps!.Any(step => step is { Contract: not null, Type: StepTypes.Transform or StepTypes.Map })
        && run.Definition.Steps!.Select(step => step.Step ?? step)
            .All(step => step is { Attachments: null, Artifact: null, Type: not (StepTypes.Tool or StepTypes.Review) })
            ? JobSchema.First
            : JobSchema.Steps;

    private static RunLimits? Lower(RunLimits? one, RunLimits? other) =>
        one is null || other is null
            ? one ?? other
            : new RunLimits { MaxCostUsd = Least(one.MaxCostUsd, other.MaxCostUsd), MaxTokens = Least(one.MaxTokens, other.MaxTokens) };

    // Of what is not given nothing is lower.
    private static T? Least<T>(T? one, T? other)
        where T : struct, IComparable<T> => one is null || other?.CompareTo(one.Value) < 0 ? other : one;

    private static Refusal? CheckLimits(RunLimits? limits)
    {
        var errors = new FieldErrors();
        WorkflowBounds.CheckLimits(limits, errors.Add);
        return errors.ToRefusal();
    }

    /// <param name="context">The request.</param>
    /// <param name="run">What is to be run; null when there is nothing, and then there will be no run, unless there was one.</param>
    /// <param name="request">The body.</param>
    /// <param name="key">The caller's key for it.</param>
    /// <param name="draft">Set when nothing is refused.</param>
    /// <returns>What is wrong with the request whenever it comes, or null.</returns>
    private Refusal? TryDraft(HttpContext context, RunInput? run, RunWorkflowRequest request, string? key, out JobDraft draft)
    {
        var input = request.Input is { } given ? JsonSerializer.Serialize(given, WireJson.Default.JsonElement) : null;
        var rerun = request.Rerun is { } asked ? "\0" + JsonSerializer.Serialize(asked, WireJson.Default.WorkflowRerun) : "";
        var limits = request.Limits is { } bounded ? "\0\0" + JsonSerializer.Serialize(bounded, WireJson.Default.RunLimits) : "";
        var refusal = rules.TryDraftRun(
            new SubmitJobRequest
            {
                // Whoever may not ask for it any more when the run begins has no steps either.
                Model = run is null ? null : StepRules.ModelsOf(run.Definition).FirstOrDefault(),
                Feature = request.Feature,
                Priority = request.Priority,
                Deadline = request.Deadline,
                User = request.User,
                Metadata = request.Metadata,
                Webhook = request.Webhook,
            },
            run is null ? new StoredInput("{}", null) : new StoredInput(run.ToJson(), RunRules.TitleOf(run), VersionOf(run)),
            FormattableString.Invariant($"{WorkflowRequests.NameOf(context)}\0{request.Version}\0{input}{rerun}{limits}"),
            context.User.GetCaller(),
            IdempotencyKey.At(context.Request.Path.Value!, key),
            out draft
        );
        draft = refusal is null ? draft with { ReplayOf = run?.TakenOver?.Run } : draft;
        return refusal;
    }
}
