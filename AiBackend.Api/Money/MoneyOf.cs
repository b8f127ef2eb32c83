using AiBackend.Api.Auth;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.Core.Tenancy;

namespace AiBackend.Api.Money;

/// <summary>Whose money a request is about: the caller's tenant, or the one that an operator names with <c>tenant</c>.</summary>
internal sealed class MoneyOf(TenantNames tenants)
{
    public const string Parameter = "tenant";

    /// <summary>Stands for every tenant.</summary>
    public const string Everybody = "*";

    /// <returns>Why there is no such tenant, or null; then the tenant, null for everybody.</returns>
    public async Task<(Refusal? Refusal, Guid? TenantId)> ReadAsync(HttpContext context)
    {
        if (QueryParameters.TryReadText(context.Request, Parameter, out var name) is { } repeated)
        {
            return (repeated, null);
        }

        return name switch
        {
            null => (null, context.GetTenantId()),
            Everybody => (null, null),
            _ when await tenants.FindAsync(name, context.RequestAborted) is { } id => (null, id),
            _ => (ProblemTypes.InvalidValue.At(Parameter, $"There is no tenant {Quoted.Of(name)}."), null),
        };
    }
}
