using AiBackend.Api.Auth;
using AiBackend.Api.Jobs;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Knowledge;
using AiBackend.Core.Knowledge;
using Microsoft.Extensions.Options;

namespace AiBackend.Api.Knowledge;

/// <summary><c>/api/v1/knowledge/{collection}</c>: texts that answers may rest on, and the search among them.</summary>
internal sealed class KnowledgeRequests(
    KnowledgeStore store,
    KnowledgeSearch search,
    IOptions<KnowledgeOptions> options,
    TimeProvider clock
)
{
    private const int MaxPage = 200;
    private const int UsualPage = 50;

    public async Task PutAsync(HttpContext context)
    {
        var collection = CollectionOf(context);
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.KnowledgeRequest);
        refusal ??=
            QueryParameters.CheckNames(context.Request)
            ?? ResourceNames.Check("collection", collection, "collection")
            ?? KnowledgeRules.Check(request);
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        var put = await store.PutAsync(context.GetTenantId(), collection, request, clock.GetUtcNow(), context.RequestAborted);
        if (put is not { } there)
        {
            await context.RefuseAsync(
                ProblemTypes.TooManyDocuments.With(
                    FormattableString.Invariant(
                        $"A tenant has at most {options.Value.MaxDocumentsPerTenant} documents (Knowledge__MaxDocumentsPerTenant). Delete some first."
                    )
                )
            );
            return;
        }

        var status = there is { IsWritten: true, Document.Version: 1 } ? StatusCodes.Status201Created : StatusCodes.Status200OK;
        await JsonAnswer.WriteAsync(context, status, there.Document, WireJson.Default.KnowledgeDocument);
    }

    public async Task ListAsync(HttpContext context)
    {
        var collection = CollectionOf(context);
        var refusal =
            QueryParameters.CheckNames(context.Request, "limit", "cursor")
            ?? ResourceNames.Check("collection", collection, "collection")
            ?? QueryParameters.TryReadNumber(context.Request, "limit", 1, MaxPage, UsualPage, out _)
            ?? QueryParameters.TryReadText(context.Request, "cursor", out _);
        QueryParameters.TryReadNumber(context.Request, "limit", 1, MaxPage, UsualPage, out var limit);
        QueryParameters.TryReadText(context.Request, "cursor", out var cursor);
        var after = cursor is null ? null : JobCursor.Read(cursor, collection);
        if (refusal is null && cursor is not null && after is null)
        {
            refusal = ProblemTypes.BadCursor.With($"The cursor {Quoted.Of(cursor)} is not one of this list. Begin without one.");
        }

        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        var found = await store.ListAsync(context.GetTenantId(), collection, after, limit + 1, context.RequestAborted);
        var page = new KnowledgeList([.. found.Take(limit)], found.Count > limit ? JobCursor.Write(found[limit - 1].Id, collection) : null);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, page, WireJson.Default.KnowledgeList);
    }

    public async Task DeleteAsync(HttpContext context)
    {
        var collection = CollectionOf(context);
        var refusal =
            QueryParameters.CheckNames(context.Request, "source")
            ?? ResourceNames.Check("collection", collection, "collection")
            ?? QueryParameters.TryReadText(context.Request, "source", out _);
        QueryParameters.TryReadText(context.Request, "source", out var source);
        if (refusal is null && source is null)
        {
            refusal = ProblemTypes.InvalidValue.At("source", "The parameter source is missing; it names the document that is to go.");
        }

        if (refusal is null && await store.DeleteAsync(context.GetTenantId(), collection, source!, context.RequestAborted))
        {
            context.Response.StatusCode = StatusCodes.Status204NoContent;
            return;
        }

        await context.RefuseAsync(
            refusal
                ?? ProblemTypes.DocumentNotFound.With(
                    $"The collection {Quoted.Of(collection)} has no document of the source {Quoted.Of(source!)}. GET /api/v1/knowledge/{collection}/documents lists them."
                )
        );
    }

    public async Task SearchAsync(HttpContext context)
    {
        var collection = CollectionOf(context);
        var (refusal, query) = await StrictBody.ReadAsync(context.Request, WireJson.Default.KnowledgeQuery);
        refusal ??=
            QueryParameters.CheckNames(context.Request)
            ?? ResourceNames.Check("collection", collection, "collection")
            ?? KnowledgeRules.Check(query);
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        var caller = context.User.GetCaller();
        var found = await search.RunAsync(new(caller.TenantId, caller.KeyId), collection, query, context.RequestAborted);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, found, WireJson.Default.KnowledgePassages);
    }

    private static string CollectionOf(HttpContext context) => (string)context.Request.RouteValues["collection"]!;
}
