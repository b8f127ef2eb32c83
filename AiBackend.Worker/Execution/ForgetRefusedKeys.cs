using AiBackend.Core.Operations;
using AiBackend.Core.Providers;

namespace AiBackend.Worker.Execution;

/// <summary>Refused keys that are configured no more are of no use: the leader forgets them.</summary>
internal sealed class ForgetRefusedKeys(RefusedKeyStore store, ProviderCatalog catalog)
{
    // So long that a change of configuration has reached every worker, or was taken back.
    private static readonly TimeSpan Kept = TimeSpan.FromDays(1);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var gone = (await store.ListAsync(cancellationToken))
            .Where(key => !catalog.HasKey(key.Provider, key.KeyId))
            .Select(key => (key.Provider, key.KeyId))
            .ToList();
        if (gone.Count > 0)
        {
            await store.ForgetAsync(gone, Kept, cancellationToken);
        }
    }
}
