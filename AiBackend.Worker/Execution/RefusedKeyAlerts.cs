using System.Globalization;
using AiBackend.Core.Alerts;
using AiBackend.Core.Operations;
using AiBackend.Core.Providers;

namespace AiBackend.Worker.Execution;

/// <summary>Somebody has to mend a key that is refused and still configured.</summary>
internal sealed class RefusedKeyAlerts(RefusedKeyStore store, ProviderCatalog catalog) : IAlertSource
{
    public async Task<IReadOnlyList<AlertFinding>> FindAsync(CancellationToken cancellationToken) =>
        [
            .. (await store.ListAsync(cancellationToken))
                .Where(key => catalog.HasKey(key.Provider, key.KeyId))
                .Select(key => new AlertFinding(AlertFinding.Everyone, AlertRules.KeyRefused, key.Provider, 1)
                {
                    Message = string.Create(
                        CultureInfo.InvariantCulture,
                        $"Provider '{key.Provider}' refused its key at {key.RefusedAt.UtcDateTime:yyyy-MM-dd HH:mm} UTC, so nobody asks it. Set another key (PUT /api/v1/credentials, or in the configuration), or mend the account and POST /api/v1/providers/{key.Provider}/enable."
                    ),
                }),
        ];
}
