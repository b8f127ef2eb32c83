using AiBackend.Api.Auth;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.DeadLetters;
using AiBackend.Core.DeadLetters.Bulk;

namespace AiBackend.Api.DeadLetters;

/// <summary><c>/api/v1/bulk</c>: how far bulk actions are, and their end.</summary>
internal sealed class BulkActionRequests(BulkReads actions)
{
    private const int Listed = 50;

    public async Task ListAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var list = new BulkActionList(await actions.ListAsync(context.GetTenantId(), Listed, context.RequestAborted));
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, list, WireJson.Default.BulkActionList);
    }

    public async Task GetAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        await (
            await FindAsync(context) is { } action
                ? JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, action, WireJson.Default.BulkAction)
                : RefuseUnknownAsync(context)
        );
    }

    public async Task CancelAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var cancelled = IdOf(context) is { } id && await actions.CancelAsync(context.GetTenantId(), id, context.RequestAborted);
        if (await FindAsync(context) is not { } action)
        {
            await RefuseUnknownAsync(context);
        }
        else if (cancelled)
        {
            await JsonAnswer.WriteAsync(context, StatusCodes.Status202Accepted, action, WireJson.Default.BulkAction);
        }
        else
        {
            await context.RefuseAsync(
                ProblemTypes.BulkEnded.With(
                    $"Bulk action {action.Id} has already ended as {action.Status}. There is nothing left to cancel."
                )
            );
        }
    }

    private async Task<BulkAction?> FindAsync(HttpContext context) =>
        IdOf(context) is { } id ? await actions.FindAsync(context.GetTenantId(), id, context.RequestAborted) : null;

    private static Guid? IdOf(HttpContext context) =>
        Guid.TryParseExact(context.Request.RouteValues["id"] as string, "D", out var id) ? id : null;

    private static Task RefuseUnknownAsync(HttpContext context) =>
        context.RefuseAsync(
            ProblemTypes.BulkNotFound.With(
                $"There is no bulk action {Quoted.Of(context.Request.RouteValues["id"] as string ?? "")}. Check the id, and that the key belongs to the tenant that began it."
            )
        );
}
