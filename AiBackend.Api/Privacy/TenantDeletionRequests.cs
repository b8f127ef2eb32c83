using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Tenancy;
using AiBackend.Core.Privacy;
using AiBackend.Core.Tenancy;
using Deletion = AiBackend.Core.Privacy.TenantDeletion;
using Shown = AiBackend.ApiContracts.Tenancy.TenantDeletion;

namespace AiBackend.Api.Privacy;

/// <summary><c>/api/v1/tenants/{slug}/deletion</c>: has a tenant deleted, and shows how far that is, and the proof.</summary>
internal sealed class TenantDeletionRequests(TenantDeletions deletions, TenantOfAddress tenants)
{
    private const int LongestReason = 500;

    public async Task PostAsync(HttpContext context)
    {
        var caller = context.User.GetCaller();
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.DeleteTenantRequest);
        refusal ??= QueryParameters.CheckNames(context.Request);
        refusal ??= Check(request!, TenantOfAddress.SlugOf(context));
        TenantRecord? tenant = null;
        if (refusal is null)
        {
            (refusal, tenant) = await tenants.FindAsync(context);
        }

        refusal ??= CheckWho(caller, tenant!);
        var begun = refusal is null ? await deletions.BeginAsync(tenant!.Id, request!.Reason!, caller.KeyId, context.RequestAborted) : null;
        await AnswerAsync(
            context,
            StatusCodes.Status202Accepted,
            refusal ?? (begun is null ? TenantOfAddress.Unknown(tenant!.Slug) : null),
            begun
        );
    }

    public async Task GetAsync(HttpContext context)
    {
        var caller = context.User.GetCaller();
        var slug = TenantOfAddress.SlugOf(context);
        var refusal = QueryParameters.CheckNames(context.Request);
        var found = refusal is null
            ? await deletions.FindAsync(slug, caller.IsOperator() ? null : caller.OrganisationId, context.RequestAborted)
            : null;
        refusal ??= found is null ? ProblemTypes.TenantNotFound.With($"No tenant {Quoted.Of(slug)} is being deleted, or was.") : null;
        await AnswerAsync(context, StatusCodes.Status200OK, refusal, found);
    }

    private static Refusal? Check(DeleteTenantRequest request, string slug)
    {
        var errors = new FieldErrors();
        if (request.Confirm != slug)
        {
            errors.Add(
                "confirm",
                $"is {Quoted.Of(request.Confirm ?? "")}; repeat the slug, {Quoted.Of(slug)}: nothing of the tenant comes back."
            );
        }

        if (string.IsNullOrWhiteSpace(request.Reason))
        {
            errors.Add("reason", "is missing; say why, for the proof.");
        }

        errors.CheckText("reason", request.Reason, LongestReason);
        return errors.ToRefusal();
    }

    /// <summary>A key that leaks must not be able to end its tenant.</summary>
    private static Refusal? CheckWho(Caller caller, TenantRecord tenant) =>
        tenant.Id == ApiKeyStore.DefaultTenant
            ? ProblemTypes.InvalidValue.With("The operators' own tenant cannot be deleted: nobody could run the installation without it.")
        : caller.IsOperator() || caller.UserId is not null ? null
        : ProblemTypes.MissingScope.With(
            "An API key deletes no tenant. Sign in as an administrator of the organisation, or have an operator do it."
        );

    private static Task AnswerAsync(HttpContext context, int status, Refusal? refusal, Deletion? deletion) =>
        refusal is null
            ? JsonAnswer.WriteAsync(context, status, Show(deletion!), WireJson.Default.TenantDeletion)
            : context.RefuseAsync(refusal);

    private static Shown Show(Deletion deletion) =>
        new()
        {
            Id = deletion.Id,
            TenantId = deletion.TenantId,
            Slug = deletion.Slug,
            Status = deletion.FinishedAt is null ? "running" : "finished",
            Reason = deletion.Reason,
            RequestedBy = deletion.RequestedBy,
            RequestedAt = deletion.RequestedAt,
            FinishedAt = deletion.FinishedAt,
            Rows = deletion.Rows,
            Proof = deletion is { AuditSeq: { } seq, AuditHash: { } hash } ? new(seq, hash) : null,
            SecondLook = deletion.SecondLook is { } second ? new(second.At, second.Rows, new(second.AuditSeq, second.AuditHash)) : null,
        };
}
