using AiBackend.Api.Auth;
using AiBackend.Api.OpenApi;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Knowledge;
using AiBackend.Core.Knowledge;
using static AiBackend.Api.OpenApi.DescribedParameter;

namespace AiBackend.Api.Knowledge;

/// <summary>Knowledge at a glance. A job's <c>retrieve</c> uses the same search.</summary>
internal static class KnowledgeEndpoints
{
    private static readonly DescribedParameter Collection = Path("collection", "The collection; it exists as soon as it has a document.");

    public static void AddKnowledgeRequests(this IHostApplicationBuilder builder)
    {
        builder.AddKnowledge();
        builder.Services.AddSingleton<KnowledgeRequests>();
    }

    public static void MapKnowledge(this IEndpointRouteBuilder app)
    {
        var group = app.MapGroup("/api/v1/knowledge/{collection}").WithTags("Knowledge");
        var requests = app.ServiceProvider.GetRequiredService<KnowledgeRequests>();
        group.MapDocuments(requests);
        group.MapSearch(requests);
    }

    private static void MapDocuments(this IEndpointRouteBuilder group, KnowledgeRequests requests)
    {
        group
            .MapPut("/documents", requests.PutAsync)
            .RequireAuthorization(Policies.WriteKnowledge)
            .Describe(
                "PutDocument",
                "Put a document",
                """
                Cuts the text into passages and puts them in place of what its `source` had before; searches find all of it or nothing. May be
                repeated. What has an older `updated_at` than what is there changes nothing, and the answer is what is there.
                """,
                [Collection],
                [.. ProblemTypes.OfBody, ProblemTypes.TooManyDocuments]
            )
            .Answers<KnowledgeDocument>(StatusCodes.Status200OK, "The document, when its source had one before.")
            .Answers<KnowledgeDocument>(StatusCodes.Status201Created, "The document, when it is new.")
            .Takes<KnowledgeRequest>();
        group
            .MapGet("/documents", requests.ListAsync)
            .RequireAuthorization(Policies.ReadKnowledge)
            .Describe(
                "ListDocuments",
                "List documents",
                "Newest first, without their texts.",
                [
                    Collection,
                    QueryNumber("limit", "Documents on a page, 1 to 200; 50 by default."),
                    Query("cursor", "`next_cursor` of the page before."),
                ],
                ProblemTypes.InvalidValue,
                ProblemTypes.BadCursor
            )
            .Answers<KnowledgeList>(StatusCodes.Status200OK, "A page.");
        group
            .MapDelete("/documents", requests.DeleteAsync)
            .RequireAuthorization(Policies.WriteKnowledge)
            .Describe(
                "DeleteDocument",
                "Delete a document",
                "With all its passages: nothing is found of it any more.",
                [Collection, Query("source", "The document's source. Needed.")],
                ProblemTypes.InvalidValue,
                ProblemTypes.DocumentNotFound
            )
            .Means(StatusCodes.Status204NoContent, "It is gone.");
    }

    private static void MapSearch(this IEndpointRouteBuilder group, KnowledgeRequests requests) =>
        group
            .MapPost("/search", requests.SearchAsync)
            .RequireAuthorization(Policies.ReadKnowledge)
            .Describe(
                "SearchKnowledge",
                "Search passages",
                """
                By words, with the full text search of Postgres: stems of the language, any word of the query may match, titles weigh more. And by
                meaning, where an operator has set a model for it: `matching` says whether both were compared, and if not, why.
                """,
                [Collection],
                ProblemTypes.OfBody
            )
            .Answers<KnowledgePassages>(StatusCodes.Status200OK, "What was found, best first.")
            .Takes<KnowledgeQuery>();
}
