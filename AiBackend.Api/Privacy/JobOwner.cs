using AiBackend.Api.Auth;
using AiBackend.Api.OpenApi;
using AiBackend.Api.Problems;
using AiBackend.Api.Tenancy;
using static AiBackend.Api.OpenApi.DescribedParameter;

namespace AiBackend.Api.Privacy;

/// <summary>Whose jobs a request reads: the caller's own, or, for operators and with a reason, those of the tenant that it names.</summary>
internal sealed class JobOwner(TenantOf owner, OperatorLook look)
{
    /// <summary>Parameters of the address that say so.</summary>
    public static readonly string[] Parameters = [TenantOf.Parameter, OperatorLook.Parameter];

    /// <summary>The same for the OpenAPI document.</summary>
    public static readonly DescribedParameter[] Described =
    [
        Query(TenantOf.Parameter, "For operators: another tenant, by its name. Default the key's own."),
        OperatorLook.Described,
    ];

    /// <param name="context">The request.</param>
    /// <param name="name">Which job; an asterisk is a list of them.</param>
    public async ValueTask<(Refusal? Refusal, Guid TenantId)> ReadAsync(HttpContext context, string name)
    {
        if (!context.Request.QueryString.HasValue)
        {
            return (null, context.GetTenantId());
        }

        var (refusal, tenantId) = await owner.ReadOneAsync(context);
        return (refusal ?? await look.NoteAsync(context, tenantId, "job", name), tenantId);
    }

    /// <summary>The job in the address.</summary>
    public ValueTask<(Refusal? Refusal, Guid TenantId)> ReadAsync(HttpContext context) =>
        ReadAsync(context, context.Request.RouteValues["id"] as string is { Length: <= 64 } id ? id : "?");
}
