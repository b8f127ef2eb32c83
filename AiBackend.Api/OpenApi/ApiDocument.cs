using System.Text.Json;
using System.Text.Json.Serialization;
using AiBackend.Api.Auth;
using AiBackend.ApiContracts;
using AiBackend.Core.Alerts;
using AiBackend.Core.DeadLetters.Bulk;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace AiBackend.Api.OpenApi;

/// <summary><c>GET /openapi/v1.json</c>: the whole native API, for people and generators.</summary>
internal static class ApiDocument
{
    private const string About = """
        An operating layer around language models: hand over AI work, have an id at once, watch the answer stream.

        Every request carries `Authorization: Bearer aib_…`. Everything that is not a success is a problem document (RFC 9457);
        branch on its `code`. Unknown members and parameters are refused. Times are RFC 3339 in UTC, durations seconds, money
        US dollars. The same events as under `/api/v1/jobs/{id}/events` come from the SignalR hub `/hubs/jobs`, method
        `Watch(jobId, after)`.
        """;

    public static void AddApiDocument(this IHostApplicationBuilder builder)
    {
        // The document is made from the contracts as they are really written and read.
        builder.Services.ConfigureHttpJsonOptions(json =>
        {
            json.SerializerOptions.PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower;
            json.SerializerOptions.NumberHandling = JsonNumberHandling.Strict;
            json.SerializerOptions.TypeInfoResolverChain.Insert(0, WireJson.Default);
        });
        builder.Services.AddOpenApi(
            "v1",
            options =>
            {
                options.AddOperationTransformer<DescribeOperation>();
                options.AddDocumentTransformer(CompleteAsync);
            }
        );
    }

    public static void MapApiDocument(this IEndpointRouteBuilder app) => app.MapOpenApi().RequireAuthorization(Policies.AnyKey);

    private static async Task CompleteAsync(
        OpenApiDocument document,
        OpenApiDocumentTransformerContext context,
        CancellationToken cancellationToken
    )
    {
        document.Info = new OpenApiInfo
        {
            Title = "AiBackend",
            Version = "v1",
            Description = About,
        };
        // Relative, so that the document is the same behind every name this server has.
        document.Servers = [new OpenApiServer { Url = "/" }];
        AddSecurity(document);

        var contracts = new ContractSchemas(document, context);
        await contracts.DescribeInputAsync(cancellationToken);
        await contracts.DescribeEventsAsync(cancellationToken);
        contracts.Close("Job", "status", JobStatusNames.All);
        contracts.Close("Job", "priority", JobTraitNames.AllPriorities);
        contracts.Close("Alert", "rule", AlertRules.All);
        contracts.Close("BulkAction", "kind", BulkTraitNames.AllKinds);
        contracts.Close("BulkAction", "status", BulkTraitNames.AllStatuses);
        contracts.Close("SubmitJobRequest", "priority", JobTraitNames.AllPriorities);
    }

    private static void AddSecurity(OpenApiDocument document)
    {
        const string Name = "api_key";
        document.AddComponent(
            Name,
            new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.Http,
                Scheme = "bearer",
                Description = $"An API key, which matches `{ApiKey.Pattern}`.",
            }
        );
        document.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(Name, document)] = [] }];
    }
}
