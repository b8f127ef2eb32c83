using AiBackend.Api.Audit;
using AiBackend.Api.Auth;
using AiBackend.Api.Auth.Limits;
using AiBackend.Api.OpenApi;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Tenancy;
using AiBackend.Core.Privacy;
using AiBackend.Core.Retention;
using static AiBackend.Api.OpenApi.DescribedParameter;

namespace AiBackend.Api.Privacy;

/// <summary>Every route about what tenants take along and have deleted.</summary>
internal static class PrivacyEndpoints
{
    private static readonly DescribedParameter Slug = Path("slug", "The tenant.");

    public static void AddPrivacyRequests(this IHostApplicationBuilder builder)
    {
        builder.AddPrivacy();
        builder.AddRetentionTimes();
        builder.Services.AddSingleton<OperatorLook>().AddSingleton<JobOwner>().AddSingleton<TenantOfAddress>();
        builder.Services.AddSingleton<DeleteJobRequest>().AddSingleton<ExportTenant>().AddSingleton<TenantDeletionRequests>();
    }

    public static void MapPrivacy(this IEndpointRouteBuilder app)
    {
        var services = app.ServiceProvider;
        app.MapDelete("/api/v1/jobs/{id}", services.GetRequiredService<DeleteJobRequest>().HandleAsync)
            .WithTags("Jobs")
            .RequireAuthorization(Policies.WriteJobs)
            .Audited()
            .Describe(
                "DeleteJob",
                "Delete a job",
                "One that has ended, with input, output, events, trace and messages about it. What it cost stays in the sums; what later requests took over from it stays with them.",
                null,
                ProblemTypes.JobNotFound,
                ProblemTypes.JobNotEnded
            )
            .Means(StatusCodes.Status204NoContent, "It is gone.");

        var deletions = services.GetRequiredService<TenantDeletionRequests>();
        var group = app.MapGroup("/api/v1/tenants/{slug}").WithTags("Tenants");
        group
            .MapPost("/deletion", deletions.PostAsync)
            .RequireAuthorization(Policies.WriteTenants)
            .Describe(
                "DeleteTenant",
                "Delete a tenant",
                "Its keys are refused at once, its jobs cancelled; then every row of it is deleted, piece by piece. For administrators who signed in, and operators.",
                [Slug],
                [.. ProblemTypes.OfBody, ProblemTypes.TenantNotFound]
            )
            .Answers<AiBackend.ApiContracts.Tenancy.TenantDeletion>(StatusCodes.Status202Accepted, "It has begun.")
            .Takes<DeleteTenantRequest>();
        group
            .MapGet("/deletion", deletions.GetAsync)
            .RequireAuthorization(Policies.ReadTenants)
            .Describe(
                "GetTenantDeletion",
                "Read the proof of a deletion",
                "How many rows of which tables are gone, when it was finished, and the row of the audit log that says so.",
                [Slug],
                ProblemTypes.TenantNotFound
            )
            .Answers<AiBackend.ApiContracts.Tenancy.TenantDeletion>(StatusCodes.Status200OK, "How far it is, or the proof.");
        group
            .MapGet("/export", services.GetRequiredService<ExportTenant>().HandleAsync)
            .RequireAuthorization(Policies.WriteTenants)
            .Describe(
                "ExportTenant",
                "Take a tenant's data along",
                "All that is stored of it, a row a line (NDJSON): jobs with input, output and events, the audit log, keys without their secrets, and the rest. The last line has `end`; without it something is missing. Takes the scope `jobs:read` too; one at a time of a tenant, for up to two hours.",
                [Slug, OperatorLook.Described],
                ProblemTypes.InvalidValue,
                ProblemTypes.ReasonNeeded,
                ProblemTypes.TenantNotFound,
                ProblemTypes.KeyLimitReached,
                ProblemTypes.Overloaded
            )
            .Means(StatusCodes.Status200OK, "The rows.")
            .WithMetadata(
                new ProducesResponseTypeMetadata(StatusCodes.Status200OK, typeof(string), ["application/x-ndjson"]),
                new BeginsStream()
            );
    }
}
