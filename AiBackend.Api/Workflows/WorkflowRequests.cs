using System.Globalization;
using System.Text.Json;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Texts;
using AiBackend.Core.Workflows;
using Npgsql;

namespace AiBackend.Api.Workflows;

/// <summary><c>/api/v1/workflows</c>: what runs do.</summary>
internal sealed class WorkflowRequests(WorkflowStore store, WorkflowBounds bounds)
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

    public async Task ListVersionsAsync(HttpContext context)
    {
        var (limit, before) = (UsualPage, 0);
        var refusal =
            QueryParameters.CheckNames(context.Request, "limit", "cursor")
            ?? QueryParameters.TryReadNumber(context.Request, "limit", 1, MaxPage, UsualPage, out limit)
            ?? QueryParameters.TryReadNumber(context.Request, "cursor", 1, int.MaxValue, 0, out before);
        var found = refusal is null
            ? await store.ListVersionsAsync(
                context.GetTenantId(),
                NameOf(context),
                before == 0 ? null : before,
                limit + 1,
                context.RequestAborted
            )
            : [];
        if (refusal is not null || (found.Count == 0 && before == 0))
        {
            await context.RefuseAsync(refusal ?? Unknown(context));
            return;
        }

        var shown = found.Take(limit).ToList();
        var next = found.Count > limit ? shown[^1].Version.ToString(CultureInfo.InvariantCulture) : null;
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, new WorkflowList(shown, next), WireJson.Default.WorkflowList);
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

    private static Task AnswerAsync(HttpContext context, Refusal? refusal, Workflow? workflow, int status) =>
        refusal is null ? JsonAnswer.WriteAsync(context, status, workflow!, WireJson.Default.Workflow) : context.RefuseAsync(refusal);

    /// <summary>There is no such workflow, or no such version of it.</summary>
    public static Refusal Unknown(HttpContext context, int version = 0) =>
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

    /// <summary>The workflow that the address names.</summary>
    public static string NameOf(HttpContext context) => (string)context.Request.RouteValues["name"]!;
}
