using System.Diagnostics;
using System.Text.Json;
using AiBackend.Api.Auth;
using AiBackend.Core.Audit;
using Microsoft.AspNetCore.Authorization;

namespace AiBackend.Api.Audit;

/// <summary>Marks an endpoint for callers, who have jobs, that the audit log is about all the same.</summary>
internal sealed record AuditedAct;

/// <summary>Says who acts, so that what a request changes is in the audit log (0025b_audit.sql).</summary>
internal static class AuditedRequests
{
    /// <summary>Marks an endpoint whose scope alone does not say that it is an administrative act.</summary>
    public static IEndpointConventionBuilder Audited(this IEndpointConventionBuilder endpoint) => endpoint.WithMetadata(new AuditedAct());

    /// <summary>Whether what the endpoint does is an administrative act: whoever needs a scope to write, but that of jobs and reviews.</summary>
    public static bool IsAudited(Endpoint endpoint) =>
        endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods is not ["GET"]
        && (endpoint.Metadata.GetMetadata<AuditedAct>() is not null || NeedsScopeToWrite(endpoint));

    private static bool NeedsScopeToWrite(Endpoint endpoint) =>
        endpoint.Metadata.GetMetadata<IAuthorizeData>()?.Policy is { } policy
        && policy != Policies.WriteJobs
        // Whoever takes a review decides nothing yet; decisions are marked.
        && policy != Policies.WriteReviews
        && policy.EndsWith(":write", StringComparison.Ordinal);

    /// <summary>Comes after the caller is known.</summary>
    public static void UseAuditActor(this WebApplication app) =>
        app.Use((context, next) => context.GetEndpoint() is { } endpoint && IsAudited(endpoint) ? ActAsync(context, next) : next(context));

    /// <summary>Who asks for what; null when nobody knows who.</summary>
    public static AuditActor? ActorOf(HttpContext context) =>
        context.User.Identity is CallerIdentity { Caller: var caller }
            ? new AuditActor(
                caller.TenantId,
                caller.KeyId,
                ActionOf(context),
                Activity.Current?.TraceId.ToHexString(),
                context.Connection.RemoteIpAddress?.ToString()
            )
            : null;

    /// <summary>The operation's name as the OpenAPI document has it, in snake_case.</summary>
    private static string ActionOf(HttpContext context) =>
        context.GetEndpoint()?.Metadata.GetMetadata<IEndpointNameMetadata>() is { EndpointName: var name }
            ? JsonNamingPolicy.SnakeCaseLower.ConvertName(name)
            : context.Request.Method;

    // Asynchronous, so that the actor is gone when it returns.
    private static async Task ActAsync(HttpContext context, RequestDelegate next)
    {
        AuditActor.Current = ActorOf(context);
        await next(context);
    }
}
