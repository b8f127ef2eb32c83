using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Operations;
using AiBackend.Core.Database;
using AiBackend.Core.Operations;
using AiBackend.Core.Providers;

namespace AiBackend.Api.Operations;

/// <summary><c>GET /api/v1/providers</c>: who may be asked, in order of preference, who is down, and whose key is refused.</summary>
internal sealed class ListProviders(ProviderCatalog catalog, DownDeployments down, RefusedKeyStore keys)
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

        var states = await ReadStatesAsync();
        var providers = new ProviderList([.. catalog.Providers.Select(provider => provider with { State = states(provider) })]);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, providers, WireJson.Default.ProviderList);
    }

    /// <summary>One provider, as the list has it.</summary>
    public async Task<ProviderInfo> WithStateAsync(ProviderInfo provider) => provider with { State = (await ReadStatesAsync())(provider) };

    private async Task<Func<ProviderInfo, string?>> ReadStatesAsync()
    {
        if (await down.LatestAsync() is not { } known || await RefusedAsync() is not { } refused)
        {
            return _ => null;
        }

        return provider => refused.Contains(provider.Name) ? "key_refused" : StateOf(provider, known);
    }

    private async Task<HashSet<string>?> RefusedAsync()
    {
        try
        {
            // None: when it takes longer, the limit of every statement bounds it.
            var all = await keys.ListAsync(CancellationToken.None).WaitAsync(Patience);
            return all.Where(key => catalog.HasKey(key.Provider, key.KeyId)).Select(key => key.Provider).ToHashSet(StringComparer.Ordinal);
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
