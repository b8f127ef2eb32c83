using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Operations;
using AiBackend.Core.Operations;
using AiBackend.Core.Providers;

namespace AiBackend.Api.Operations;

/// <summary><c>GET /api/v1/providers</c>: who may be asked, in order of preference, and who is down.</summary>
internal sealed class ListProviders(ProviderCatalog catalog, DownDeployments down)
{
    public async Task HandleAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var known = await down.LatestAsync();
        var providers = new ProviderList([
            .. catalog.Providers.Select(provider => provider with { State = known is null ? null : StateOf(provider, known) }),
        ]);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, providers, WireJson.Default.ProviderList);
    }

    private static string StateOf(ProviderInfo provider, IReadOnlyList<DownDeployment> known) =>
        known.FirstOrDefault(each => each.Provider == provider.Name && each.Model == provider.Model) switch
        {
            null => "up",
            { IsProbed: true } => "probing",
            _ => "down",
        };
}
