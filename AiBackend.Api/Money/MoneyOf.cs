using AiBackend.Api.Auth;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.Core.Tenancy;

namespace AiBackend.Api.Money;

/// <summary>Whose money a request is about: the caller's tenant, or the one that an operator names with <c>tenant</c>.</summary>
internal sealed class MoneyOf(TenantNames tenants)
{
    public const string Parameter = "tenant";

    private const string OthersMoney =
        "Only a key of the operators' tenant, default, sees other tenants' money. Leave tenant out, or use such a key.";

    /// <summary>Stands for every tenant.</summary>
    public const string Everybody = "*";

    /// <returns>Why there is no such tenant, or null; then the tenant, null for everybody.</returns>
    public async Task<(Refusal? Refusal, Guid? TenantId)> ReadAsync(HttpContext context)
    {
        if (QueryParameters.TryReadText(context.Request, Parameter, out var name) is { } repeated)
        {
            return (repeated, null);
        }

        if (name is not null && context.GetTenantId() != ApiKeyStore.DefaultTenant)
        {
            return (ProblemTypes.MissingScope.With(OthersMoney), null);
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
