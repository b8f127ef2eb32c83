using System.Collections.Concurrent;
using AiBackend.Core.Providers.Configuration;
using Microsoft.Extensions.AI;

namespace AiBackend.Core.Providers.Catalog;

/// <summary>The clients of all deployments, one for each provider, key and set of time limits.</summary>
/// <remarks>
/// What nobody uses any more is not closed: calls that began with an older catalog may still be running over it. Its idle connections
/// close by themselves, and the rest goes with the last call.
/// </remarks>
internal sealed class ProviderClients(Func<ProviderOptions, IChatClient> create) : IDisposable
{
    private readonly ConcurrentDictionary<(string Name, string? Key, ProviderTimeouts Timeouts), IChatClient> _clients = new();

    public IChatClient Of(ProviderOptions provider) =>
        _clients.GetOrAdd(
            (provider.Name, provider.ApiKey, provider.Timeouts),
            static (_, args) => args.create(args.provider),
            (create, provider)
        );

    /// <summary>Forgets those that are not among these.</summary>
    public void Keep(IEnumerable<IChatClient> used)
    {
        var kept = used.ToHashSet(ReferenceEqualityComparer.Instance);
        foreach (var (key, client) in _clients)
        {
            if (!kept.Contains(client))
            {
                _clients.TryRemove(key, out _);
            }
        }
    }

    public void Dispose()
    {
        foreach (var client in _clients.Values)
        {
            client.Dispose();
        }
    }
}
