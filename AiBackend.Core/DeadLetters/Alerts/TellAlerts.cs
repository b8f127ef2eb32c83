using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.DeadLetters;
using AiBackend.Core.Database;
using AiBackend.Core.Webhooks;
using Microsoft.Extensions.Options;
using Npgsql;

namespace AiBackend.Core.DeadLetters.Alerts;

/// <summary>Tells the operators' webhook of every alert that was raised, at least once: the leader's part.</summary>
/// <remarks>The message has the alert's own id, so an alert is one message, whoever writes it down and however often.</remarks>
public sealed class TellAlerts(
    NpgsqlDataSource database,
    AlertReads reads,
    DeliveryStore store,
    DeliverWebhooks deliver,
    IOptions<AlertWebhookOptions> options,
    TimeProvider clock
)
{
    /// <summary>The endpoint's name.</summary>
    public const string Endpoint = "alerts";

    private const string UntoldSql = """
        SELECT a.id, a.tenant_id, t.slug FROM alerts a LEFT JOIN tenants t ON t.id = a.tenant_id
         WHERE a.resolved_at IS NULL AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.endpoint = @endpoint AND d.id = a.id)
         ORDER BY a.raised_at LIMIT 100
        """;

    private readonly WebhookSecret? _secret = WebhookSecret.TryParse(options.Value.Secret ?? "");

    /// <returns>How many tries were made.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        if (options.Value.Address is not { } address || _secret is null)
        {
            return 0;
        }

        await WriteDownAsync(cancellationToken);
        return await deliver.RunAsync(Endpoint, address, _secret, cancellationToken);
    }

    private async Task WriteDownAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(UntoldSql);
        command.Parameters.AddWithValue("endpoint", Endpoint);
        var untold = await command.ReadAllAsync(row => (row.GetGuid(0), row.GetGuid(1), row.Text(2)), cancellationToken);
        foreach (var (id, tenantId, tenant) in untold)
        {
            if (await reads.FindAsync(tenantId, id, cancellationToken) is { } alert)
            {
                var message = new AlertMessage("alert.raised", clock.GetUtcNow(), alert with { Tenant = tenant });
                await store.AddAsync(Endpoint, id, JsonSerializer.Serialize(message, WireJson.Default.AlertMessage), cancellationToken);
            }
        }
    }
}
