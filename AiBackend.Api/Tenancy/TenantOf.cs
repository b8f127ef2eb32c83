using AiBackend.Api.Auth;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.Core.Tenancy;

namespace AiBackend.Api.Tenancy;

/// <summary>Which tenant a request is about: the caller's own, or the one that an operator names with <c>tenant</c>.</summary>
internal sealed class TenantOf(TenantNames tenants)
{
    public const string Parameter = "tenant";

    private const string Others =
        "Only a key of the operators' tenant, default, may ask about other tenants. Leave tenant out, or use such a key.";

    /// <summary>Stands for every tenant.</summary>
    public const string Everybody = "*";

    /// <returns>Why there is no such tenant, or null; then the tenant, null for everybody.</returns>
    public async Task<(Refusal? Refusal, Guid? TenantId)> ReadAsync(HttpContext context)
    {
        if (QueryParameters.TryReadText(context.Request, Parameter, out var name) is { } repeated)
        {
            return (repeated, null);
        }

        if (name is not null && !context.User.GetCaller().IsOperator())
        {
            return (ProblemTypes.MissingScope.With(Others), null);
        }

        return name switch
        {
            null => (null, context.GetTenantId()),
            Everybody => (null, null),
            _ when await tenants.FindAsync(name, context.RequestAborted) is { } id => (null, id),
            _ => (ProblemTypes.InvalidValue.At(Parameter, $"There is no tenant {Quoted.Of(name)}."), null),
        };
    }

    /// <summary>As <see cref="ReadAsync"/>, for what is always about one tenant.</summary>
    public async Task<(Refusal? Refusal, Guid TenantId)> ReadOneAsync(HttpContext context)
    {
        var (refusal, tenantId) = await ReadAsync(context);
        return (
            refusal
                ?? (
                    tenantId is null
                        ? ProblemTypes.InvalidValue.At(Parameter, $"tenant is {Quoted.Of(Everybody)}, but this is about one; name it.")
                        : null
                ),
            tenantId ?? default
        );
    }
}
