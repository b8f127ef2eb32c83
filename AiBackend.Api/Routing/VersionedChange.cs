using AiBackend.Api.Auth;
using AiBackend.Api.Problems;
using AiBackend.Core.Routing;

namespace AiBackend.Api.Routing;

/// <summary>Changes what has versions: once decided on the latest one, and in use on this node when the answer goes out.</summary>
internal sealed class VersionedChange(RoutingStore store, CatalogRefresh refresh)
{
    /// <summary>Adds a version. The answer's ETag is set; its status and body are the caller's.</summary>
    /// <param name="context">The request.</param>
    /// <param name="kind">Of what.</param>
    /// <param name="name">Of which.</param>
    /// <param name="what">The same in words, at the beginning of a sentence.</param>
    /// <param name="json">The definition.</param>
    /// <param name="expected">The version that the change was decided on; null is any.</param>
    public async Task<(Refusal? Refusal, RoutingVersion? Added)> SetAsync(
        HttpContext context,
        RoutingKind kind,
        string name,
        string what,
        string json,
        int? expected
    )
    {
        var keyId = context.User.GetCaller().KeyId;
        if (await store.AddAsync(kind, name, json, expected, keyId, context.RequestAborted) is not { } added)
        {
            return (VersionMatch.Refuse(what, expected ?? 0), null);
        }

        await refresh.RefreshAsync(context.RequestAborted);
        VersionMatch.Tell(context.Response, added.Version);
        return (null, added);
    }

    /// <summary>Takes it away, and answers.</summary>
    /// <param name="context">The request.</param>
    /// <param name="kind">Of what.</param>
    /// <param name="name">Of which.</param>
    /// <param name="what">The same in words.</param>
    /// <param name="expected">The version that this was decided on; null is any.</param>
    /// <param name="unknown">That there is none.</param>
    /// <returns>Why it is still there, or null.</returns>
    public async Task<Refusal?> EndAsync(HttpContext context, RoutingKind kind, string name, string what, int? expected, Refusal unknown)
    {
        var keyId = context.User.GetCaller().KeyId;
        if (await store.AddAsync(kind, name, null, expected, keyId, context.RequestAborted) is not null)
        {
            await refresh.RefreshAsync(context.RequestAborted);
            context.Response.StatusCode = StatusCodes.Status204NoContent;
            return null;
        }

        var versions = await store.VersionsAsync(kind, name, context.RequestAborted);
        return versions is [{ Body: not null }, ..] && expected is { } version ? VersionMatch.Refuse(what, version) : unknown;
    }
}
