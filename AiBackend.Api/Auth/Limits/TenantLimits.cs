using System.ComponentModel.DataAnnotations;
using System.Runtime.CompilerServices;
using AiBackend.Api.Problems;
using Microsoft.AspNetCore.Authorization;
using Microsoft.Extensions.Options;
using static System.FormattableString;

namespace AiBackend.Api.Auth.Limits;

/// <summary>How much of a server one tenant may have, by what it asks for. Section <c>Limits</c>; changes need a restart.</summary>
internal sealed class TenantLimitOptions
{
    /// <summary>Requests that submit or change work, in a minute at each server. Default 1 000 000; keys and queues have limits of their own.</summary>
    [Range(1, 100_000_000)]
    public int TenantSubmitsPerMinute { get; set; } = 1_000_000;

    /// <summary>Requests that read. Default 600 000.</summary>
    [Range(1, 100_000_000)]
    public int TenantReadsPerMinute { get; set; } = 600_000;

    /// <summary>Acts of administration. Default 6 000.</summary>
    [Range(1, 100_000_000)]
    public int TenantAdminPerMinute { get; set; } = 6_000;

    /// <summary>Streams that begin. Default 60 000.</summary>
    [Range(1, 100_000_000)]
    public int TenantStreamsPerMinute { get; set; } = 60_000;
}

/// <summary>What a request asks for. Named as in headers and problems.</summary>
internal enum EndpointClass
{
    Read,
    Submit,
    Admin,
    Stream,
}

/// <summary>Marks an endpoint whose answer may be a stream.</summary>
internal sealed record BeginsStream;

/// <summary>Counts requests of tenants by class and minute, in this process' memory: no tenant takes a server for itself.</summary>
internal sealed class TenantLimits(IOptions<TenantLimitOptions> options, TimeProvider clock)
{
    private readonly MinuteCounts<(Guid Tenant, EndpointClass Class)> _counts = new(clock);
    private readonly ConditionalWeakTable<Endpoint, object> _classes = [];

    /// <summary>Comes after the caller is known.</summary>
    public Task InvokeAsync(HttpContext context, RequestDelegate next) =>
        context.User.Identity is CallerIdentity { Caller.TenantId: var tenantId }
        && context.GetEndpoint() is { } endpoint
        && Refuse(context.Response, tenantId, ClassOf(endpoint)) is { } refusal
            ? context.RefuseAsync(refusal)
            : next(context);

    private Refusal? Refuse(HttpResponse response, Guid tenantId, EndpointClass asked)
    {
        var (taken, wait) = _counts.Add((tenantId, asked));
        var most = MostOf(asked);
        if (taken <= most)
        {
            return null;
        }

        var name = $"tenant-{Name(asked)}";
        UsedUp.Tell(response, name, most, wait);
        return ProblemTypes.TenantLimitReached.With(
            Invariant($"Your tenant has used up its limit {name} of this server, which is {most} requests a minute. Ask less often.")
        ) with
        {
            RetryAfter = wait,
        };
    }

    private EndpointClass ClassOf(Endpoint endpoint) => (EndpointClass)_classes.GetValue(endpoint, static each => Classify(each));

    internal static object Classify(Endpoint endpoint)
    {
        var policy = endpoint.Metadata.GetMetadata<IAuthorizeData>()?.Policy ?? "";
        return endpoint.Metadata.GetMetadata<BeginsStream>() is not null ? EndpointClass.Stream
            : endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods is ["GET"] ? EndpointClass.Read
            : policy == Policies.WriteJobs ? EndpointClass.Submit
            : EndpointClass.Admin;
    }

    private int MostOf(EndpointClass asked) =>
        asked switch
        {
            EndpointClass.Submit => options.Value.TenantSubmitsPerMinute,
            EndpointClass.Admin => options.Value.TenantAdminPerMinute,
            EndpointClass.Stream => options.Value.TenantStreamsPerMinute,
            _ => options.Value.TenantReadsPerMinute,
        };

    private static string Name(EndpointClass asked) =>
        asked switch
        {
            EndpointClass.Submit => "submit",
            EndpointClass.Admin => "admin",
            EndpointClass.Stream => "stream",
            _ => "read",
        };
}
