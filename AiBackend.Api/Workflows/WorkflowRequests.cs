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
using AiBackend.Core.Workflows;
using Npgsql;

namespace AiBackend.Api.Workflows;

/// <summary><c>/api/v1/workflows</c>: what runs do, and runs.</summary>
internal sealed class WorkflowRequests(
    WorkflowStore store,
    WorkflowBounds bounds,
    OutputContracts contracts,
    JobRequestRules rules,
    SubmitJob submit
)
{
    public async Task ListAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var list = new WorkflowList(await store.ListAsync(context.GetTenantId(), context.RequestAborted));
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
            var found = await store.FindAsync(context.GetTenantId(), NameOf(context), request.Version, context.RequestAborted);
            refusal = found is null ? Unknown(context, request.Version ?? 0) : await RunAsync(context, found, request, key);
        }

        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
        }
    }

    /// <returns>Why there is no run, or null when the answer has been sent.</returns>
    private async Task<Refusal?> RunAsync(HttpContext context, Workflow workflow, RunWorkflowRequest request, string? key)
    {
        if (CheckInput(workflow.Definition, request.Input) is { } misfit)
        {
            return misfit;
        }

        var caller = context.User.GetCaller();
        foreach (var model in StepRules.ModelsOf(workflow.Definition))
        {
            if (
                (JobRequestRules.RefuseModelOf(caller, model) ?? await rules.RefuseUnknownAsync(model, context.RequestAborted)) is
                { } noModel
            )
            {
                return noModel;
            }
        }

        var input = new RunInput
        {
            Workflow = workflow.Name,
            Version = workflow.Version,
            Definition = workflow.Definition,
            Input = request.Input,
        };
        return rules.TryDraftRun(
                new SubmitJobRequest
                {
                    // Whoever may not ask for it any more when the run begins has no steps either.
                    Model = StepRules.ModelsOf(workflow.Definition).FirstOrDefault(),
                    Feature = request.Feature,
                    Priority = request.Priority,
                    Deadline = request.Deadline,
                    User = request.User,
                    Metadata = request.Metadata,
                    Webhook = request.Webhook,
                },
                new StoredInput(
                    input.ToJson(),
                    $"{workflow.Name} v{workflow.Version.ToString(System.Globalization.CultureInfo.InvariantCulture)}"
                ),
                $"{workflow.Name}\0{request.Version}\0{request.Input?.GetRawText()}",
                caller,
                IdempotencyKey.At(context.Request.Path.Value!, key),
                out var draft
            ) ?? await submit.AcceptAsync(context, draft);
    }

    private Refusal? Check(WorkflowDefinition definition)
    {
        var errors = new FieldErrors();
        bounds.Check(definition, errors.Add);
        if (JsonSerializer.Serialize(definition, WireJson.Default.WorkflowDefinition).Length > WorkflowBounds.MaxLength)
        {
            errors.Add("steps", FormattableString.Invariant($"take more than {WorkflowBounds.MaxLength} characters together."));
        }

        return errors.ToRefusal() ?? StepRules.Check(definition);
    }

    private Refusal? CheckInput(WorkflowDefinition definition, JsonElement? input)
    {
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

    private static string NameOf(HttpContext context) => (string)context.Request.RouteValues["name"]!;
}
