using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Operations;
using AiBackend.Core.Providers;

namespace AiBackend.Api.Operations;

/// <summary><c>GET /api/v1/providers</c>: who may be asked, in order of preference.</summary>
internal sealed class ListProviders(ProviderCatalog catalog)
{
    private readonly ProviderList _providers = new(catalog.Providers);

    public Task HandleAsync(HttpContext context) =>
        QueryParameters.CheckNames(context.Request) is { } unknown
            ? context.RefuseAsync(unknown)
            : JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, _providers, WireJson.Default.ProviderList);
}
