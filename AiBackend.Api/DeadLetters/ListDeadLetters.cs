using AiBackend.Api.Auth;
using AiBackend.Api.Jobs;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.DeadLetters;
using AiBackend.Core.DeadLetters;

namespace AiBackend.Api.DeadLetters;

/// <summary><c>GET /api/v1/dead-letters</c> and <c>GET /api/v1/dead-letters/{fingerprint}</c>: what died, by cause and one by one.</summary>
internal sealed class ListDeadLetters(DeadLetterReads letters)
{
    public async Task GroupsAsync(HttpContext context)
    {
        if (DeadLetterQuery.TryRead(context.Request, null, out var query) is { } refusal)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        // One more than shown says whether there is another page.
        var found = await letters.ListGroupsAsync(
            context.GetTenantId(),
            query.Filter,
            DeadLetterQuery.Unpack(query.After),
            query.Limit + 1,
            context.RequestAborted
        );
        IReadOnlyList<DeadLetterGroup> shown = found.Count > query.Limit ? [.. found.Take(query.Limit)] : found;
        var next =
            found.Count > query.Limit
                ? JobCursor.Write(DeadLetterQuery.Pack(new GroupPlace(shown[^1].FirstSeenAt, shown[^1].Fingerprint)), query.Marks)
                : null;
        await JsonAnswer.WriteAsync(
            context,
            StatusCodes.Status200OK,
            new DeadLetterGroupPage(shown, next),
            WireJson.Default.DeadLetterGroupPage
        );
    }

    /// <summary>A group that nobody knows has no letters, like one whose letters are all closed.</summary>
    public async Task LettersAsync(HttpContext context)
    {
        var fingerprint = (string)context.Request.RouteValues["fingerprint"]!;
        if (DeadLetterQuery.TryRead(context.Request, fingerprint, out var query) is { } refusal)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        var found = await letters.ListAsync(context.GetTenantId(), query.Filter, query.After, query.Limit + 1, context.RequestAborted);
        IReadOnlyList<DeadLetter> shown = found.Count > query.Limit ? [.. found.Take(query.Limit)] : found;
        var next = found.Count > query.Limit ? JobCursor.Write(shown[^1].JobId, query.Marks) : null;
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, new DeadLetterPage(shown, next), WireJson.Default.DeadLetterPage);
    }
}
