using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.Core.Operations;
using AiBackend.Core.Providers;

namespace AiBackend.Api.Operations;

/// <summary><c>POST /api/v1/providers/{name}/enable</c>: the provider is asked again with the key that it refused before.</summary>
internal sealed class EnableProvider(ProviderCatalog catalog, RefusedKeyStore keys, ListProviders list)
{
    public async Task HandleAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var name = (string)context.Request.RouteValues["name"]!;
        if (catalog.Providers.FirstOrDefault(each => each.Name == name) is not { } provider)
        {
            var names = string.Join(", ", catalog.Providers.Select(each => each.Name));
            await context.RefuseAsync(
                ProblemTypes.ProviderNotFound.With($"There is no provider {Quoted.Of(name)}. Choose one of: {names}.")
            );
            return;
        }

        await keys.RemoveAsync(name, context.RequestAborted);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, await list.WithStateAsync(provider), WireJson.Default.ProviderInfo);
    }
}
