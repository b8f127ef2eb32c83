using System.Runtime.InteropServices;
using System.Text.Json;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Contracts;
using AiBackend.Core.Jobs;
using AiBackend.Core.Texts;
using AiBackend.Core.Workflows;
using Npgsql;

namespace AiBackend.Api.Workflows;

/// <summary><c>/api/v1/workflows</c>: what runs do, and runs.</summary>
internal sealed class WorkflowRequests(
    WorkflowStore store,
    WorkflowBounds bounds,
    OutputContracts contracts,
    JobRequestRules rules,
    RerunSource reruns,
    SubmitJob submit
)
{
    private const int MaxPage = 200;
    private const int UsualPage = 100;

    public async Task ListAsync(HttpContext context)
    {
        string? cursor = null;
        var limit = UsualPage;
        var refusal =
            QueryParameters.CheckNames(context.Request, "limit", "cursor")
            ?? QueryParameters.TryReadNumber(context.Request, "limit", 1, MaxPage, UsualPage, out limit)
            ?? QueryParameters.TryReadText(context.Request, "cursor", out cursor);
        if (refusal is null && cursor is not null && !ResourceNames.IsName(cursor))
        {
            refusal = ProblemTypes.BadCursor.With($"The cursor {Quoted.Of(cursor)} is not one of this list. Begin without one.");
        }

        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        // One more than is shown says whether there is a next page.
        var found = await store.ListAsync(context.GetTenantId(), cursor, limit + 1, context.RequestAborted);
        var shown = found.Take(limit).ToList();
        var list = new WorkflowList(shown, found.Count > limit ? shown[^1].Name : null);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, list, WireJson.Default.WorkflowList);
    }

    public async Task GetAsync(HttpContext context)
    {
        var refusal =
            QueryParameters.CheckNames(context.Request, "version")
            ?? QueryParameters.TryReadNumber(context.Request, "version", 1, int.MaxValue, 0, out _);
        QueryParameters.TryReadNumber(context.Request, "version", 1, int.MaxValue, 0, out var version);
        var found = refusal is null
            ? await store.FindAsync(context.GetTenantId(), NameOf(context), version == 0 ? null : version, context.RequestAborted)
            : null;
        await AnswerAsync(context, refusal ?? (found is null ? Unknown(context, version) : null), found, StatusCodes.Status200OK);
    }

    public async Task PutAsync(HttpContext context)
    {
        var (refusal, definition) = await StrictBody.ReadAsync(context.Request, WireJson.Default.WorkflowDefinition);
        refusal ??= QueryParameters.CheckNames(context.Request) ?? ResourceNames.Check("workflow", NameOf(context)) ?? Check(definition);
        Workflow? added = null;
        if (refusal is null)
        {
            try
            {
                added = await store.AddAsync(
                    context.GetTenantId(),
                    NameOf(context),
                    definition,
                    context.User.GetCaller().KeyId,
                    context.RequestAborted
                );
                refusal = added is null ? TooMany(context) : null;
            }
            catch (PostgresException other) when (other.SqlState == PostgresErrorCodes.UniqueViolation)
            {
                refusal = ProblemTypes.VersionMismatch.With(
                    $"Another version of {Quoted.Of(NameOf(context))} was added at the same moment. Read it, then send yours again."
                );
            }
        }

        await AnswerAsync(context, refusal, added, added?.Version == 1 ? StatusCodes.Status201Created : StatusCodes.Status200OK);
    }

    public async Task DeleteAsync(HttpContext context)
    {
        var refusal = QueryParameters.CheckNames(context.Request);
        if (refusal is null && await store.DeleteAsync(context.GetTenantId(), NameOf(context), context.RequestAborted))
        {
            context.Response.StatusCode = StatusCodes.Status204NoContent;
            return;
        }

        await context.RefuseAsync(refusal ?? Unknown(context));
    }

    public async Task RunAsync(HttpContext context)
    {
        var refusal = SubmitHeaders.Check(context.Request, out var key);
        var (unreadable, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.RunWorkflowRequest);
        refusal ??= unreadable;
        if (refusal is null)
        {
            var (run, noRun) = await FindRunAsync(context, request);
            refusal =
                TryDraft(context, run, request, key, out var draft)
                // A repeat of what was accepted then is answered as then, whatever became of the workflow.
                ?? await submit.AcceptAsync(context, draft, noRun ?? await RefuseNowAsync(context, run!));
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
            return await reruns.FindAsync(context.GetTenantId(), NameOf(context), request, context.RequestAborted);
        }

        return await store.FindAsync(context.GetTenantId(), NameOf(context), request.Version, context.RequestAborted) is { } workflow
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
            : (null, Unknown(context, request.Version ?? 0));
    }

    /// <returns>Why there cannot be such a run now, or null.</returns>
    private async ValueTask<Refusal?> RefuseNowAsync(HttpContext context, RunInput run)
    {
        if (CheckInput(run.Definition, run.Input) is { } misfit)
        {
            return misfit;
        }

        foreach (var model in StepRules.ModelsOf(run.Definition))
        {
            if (
                (
                    JobRequestRules.RefuseModelOf(context.User.GetCaller(), model)
                    ?? await rules.RefuseUnknownAsync(model, context.RequestAborted)
                ) is
                { } noModel
            )
            {
                return noModel;
            }
        }

        return null;
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
            run is null
                ? new StoredInput("{}", null)
                : new StoredInput(run.ToJson(), FormattableString.Invariant($"{run.Workflow} v{run.Version}")),
            FormattableString.Invariant($"{NameOf(context)}\0{request.Version}\0{input}{rerun}"),
            context.User.GetCaller(),
            IdempotencyKey.At(context.Request.Path.Value!, key),
            out draft
        );
        draft = refusal is null ? draft with { ReplayOf = run?.TakenOver?.Run } : draft;
        return refusal;
    }

    private Refusal? Check(WorkflowDefinition definition)
    {
        var errors = new FieldErrors();
        bounds.Check(definition, errors.Add);
        var json = JsonSerializer.SerializeToUtf8Bytes(definition, WireJson.Default.WorkflowDefinition);
        if (StorableJson.FaultOf(json, default) is { } fault)
        {
            errors.Add("steps", $"cannot be used: {fault}.");
        }

        if (json.Length > WorkflowBounds.MaxLength)
        {
            errors.Add("steps", FormattableString.Invariant($"take more than {WorkflowBounds.MaxLength} characters together."));
        }

        return errors.ToRefusal() ?? StepRules.Check(definition);
    }

    private Refusal? CheckInput(WorkflowDefinition definition, JsonElement? input)
    {
        if (input is { } value && StepValues.FaultOf(JsonMarshal.GetRawUtf8Value(value)) is { } fault)
        {
            return ProblemTypes.InvalidValue.At("input", $"input cannot be what steps take. {fault}");
        }

        if (definition.Input is not { ValueKind: not JsonValueKind.Null } schema)
        {
            return null;
        }

        var given = input?.GetRawText() ?? "null";
        var found = contracts.Check(new OutputContract { Schema = schema, OnViolation = ContractPolicies.Fail }, given, null, "");
        if (found.IsValid)
        {
            return null;
        }

        var errors = new FieldErrors();
        foreach (var violation in found.Check.Violations)
        {
            errors.Add($"input{violation.Path}", violation.Message);
        }

        return errors.ToRefusal();
    }

    private static Task AnswerAsync(HttpContext context, Refusal? refusal, Workflow? workflow, int status) =>
        refusal is null ? JsonAnswer.WriteAsync(context, status, workflow!, WireJson.Default.Workflow) : context.RefuseAsync(refusal);

    private static Refusal Unknown(HttpContext context, int version = 0) =>
        ProblemTypes.WorkflowNotFound.With(
            version == 0
                ? $"There is no workflow {Quoted.Of(NameOf(context))}. GET /api/v1/workflows lists them."
                : FormattableString.Invariant($"There is no version {version} of a workflow {Quoted.Of(NameOf(context))}.")
        );

    private static Refusal TooMany(HttpContext context) =>
        ProblemTypes.TooManyWorkflows.With(
            FormattableString.Invariant(
                $"The tenant has {WorkflowStore.MostWorkflows} workflows, or {Quoted.Of(NameOf(context))} has {WorkflowStore.MostVersions} versions, which is as many as there may be. Delete some first."
            )
        );

    private static string NameOf(HttpContext context) => (string)context.Request.RouteValues["name"]!;
}
