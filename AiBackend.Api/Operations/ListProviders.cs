using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Operations;
using AiBackend.Core.Admission.Pace;
using AiBackend.Core.Database;
using AiBackend.Core.Operations;
using AiBackend.Core.Providers;

namespace AiBackend.Api.Operations;

/// <summary><c>GET /api/v1/providers</c>: who may be asked, in order of preference, who is down, and whose key is refused.</summary>
internal sealed class ListProviders(ProviderCatalog catalog, DownDeployments down, RefusedKeyStore keys, PaceStore paces)
{
    /// <summary>Longest that Postgres is waited for: without it the list says everything but the states.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(500);

    public async Task HandleAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var providers = new ProviderList([.. catalog.Providers.Select(await ReadStatesAsync())]);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, providers, WireJson.Default.ProviderList);
    }

    /// <summary>One provider, as the list has it.</summary>
    public async Task<ProviderInfo> WithStateAsync(ProviderInfo provider) => (await ReadStatesAsync())(provider);

    private async Task<Func<ProviderInfo, ProviderInfo>> ReadStatesAsync()
    {
        if (await down.LatestAsync() is not { } known || await KeysAndPacesAsync() is not var (refused, slowed))
        {
            return provider => provider;
        }

        return provider =>
            provider with
            {
                State = refused.Contains(provider.Name) ? "key_refused" : StateOf(provider, known),
                Pace = slowed.GetValueOrDefault($"{provider.Name}/{provider.Model}"),
            };
    }

    private async Task<(HashSet<string> Refused, Dictionary<string, ProviderPace> Slowed)?> KeysAndPacesAsync()
    {
        try
        {
            // None: when they take longer, the limit of every statement bounds them.
            var (allKeys, allPaces) = (keys.ListAsync(CancellationToken.None), paces.ListAsync(CancellationToken.None));
            await Task.WhenAll(allKeys, allPaces).WaitAsync(Patience);
            return (
                (await allKeys)
                    .Where(key => catalog.HasKey(key.Provider, key.KeyId))
                    .Select(key => key.Provider)
                    .ToHashSet(StringComparer.Ordinal),
                (await allPaces).ToDictionary(
                    pace => pace.Deployment,
                    pace => new ProviderPace(Math.Round(pace.PerSecond, 2), Math.Round(pace.FullPerSecond, 2), pace.BlockedUntil),
                    StringComparer.Ordinal
                )
            );
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            return null;
        }
    }

    private static string StateOf(ProviderInfo provider, IReadOnlyList<DownDeployment> known) =>
        known.FirstOrDefault(each => each.Provider == provider.Name && each.Model == provider.Model) switch
        {
            null => "up",
            { IsProbed: true } => "probing",
            _ => "down",
        };
}
