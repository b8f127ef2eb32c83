using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.DeadLetters;
using AiBackend.Core.Alerts;
using AiBackend.Core.Database;
using AiBackend.Core.Webhooks;
using Microsoft.Extensions.Options;
using Npgsql;

namespace AiBackend.Core.DeadLetters.Alerts;

/// <summary>Tells the operators' webhook of every alert that was raised, and tenants' of theirs, at least once: the leader's part.</summary>
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
    private const int MaxAtOnce = 10;

    /// <summary>The operators' endpoint's name.</summary>
    public const string Endpoint = "alerts";

    // Also what was over again before anybody looked.
    private const string UntoldSql = """
        SELECT @endpoint, a.id, a.tenant_id, t.slug, a.rule FROM alerts a LEFT JOIN tenants t ON t.id = a.tenant_id
         WHERE (a.resolved_at IS NULL OR a.resolved_at > now() - interval '1 hour')
           AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.endpoint = @endpoint AND d.id = a.id)
         ORDER BY a.raised_at LIMIT 100
        """;

    // Not those from before there was an endpoint; nor very old ones, whose message may be forgotten already.
    private const string UntoldTenantsSql = """
        SELECT n.name, a.id, a.tenant_id, t.slug, a.rule
          FROM alerts a
          JOIN webhook_endpoints e ON e.tenant_id = a.tenant_id AND e.enabled AND e.url IS NOT NULL AND e.created_at < a.raised_at
         CROSS JOIN LATERAL (SELECT replace(e.id::text, '-', '') AS name) n
          LEFT JOIN tenants t ON t.id = a.tenant_id
         WHERE (a.resolved_at IS NULL OR a.resolved_at > now() - interval '1 hour') AND a.raised_at > now() - interval '7 days'
           AND (e.events = '{}' OR CASE a.rule WHEN @budget THEN @budget_event ELSE @alert_event END = ANY (e.events))
           AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.endpoint = n.name AND d.id = a.id)
         ORDER BY a.raised_at LIMIT 100
        """;

    private readonly WebhookSender? _sender = options.Value.Address is { } address ? WebhookSender.ToOperator(address, clock) : null;
    private readonly WebhookTarget? _target = WebhookSecret.TryParse(options.Value.Secret ?? "") is { } secret
        ? new WebhookTarget(Endpoint, options.Value.Address, [secret])
        : null;

    /// <returns>How many tries to the operators were made.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        await using var tenants = database.CreateCommand(UntoldTenantsSql);
        tenants.Parameters.AddWithValue("budget", AlertRules.Budget);
        tenants.Parameters.AddWithValue("budget_event", WebhookEvents.BudgetThreshold);
        tenants.Parameters.AddWithValue("alert_event", WebhookEvents.AlertRaised);
        await WriteDownAsync(tenants, cancellationToken);
        if (_sender is null || _target is null)
        {
            return 0;
        }

        await using var operators = database.CreateCommand(UntoldSql);
        operators.Parameters.AddWithValue("endpoint", Endpoint);
        await WriteDownAsync(operators, cancellationToken);
        return (await deliver.RunAsync(_target, _sender, MaxAtOnce, cancellationToken)).Tries;
    }

    private async Task WriteDownAsync(NpgsqlCommand untold, CancellationToken cancellationToken)
    {
        var found = await untold.ReadAllAsync(
            row => (row.GetString(0), row.GetGuid(1), row.GetGuid(2), row.Text(3), row.GetString(4)),
            cancellationToken
        );
        foreach (var (endpoint, id, tenantId, tenant, rule) in found)
        {
            if (await reads.FindAsync(tenantId, id, cancellationToken) is { } alert)
            {
                var toOperators = endpoint == Endpoint;
                var type = !toOperators && rule == AlertRules.Budget ? WebhookEvents.BudgetThreshold : WebhookEvents.AlertRaised;
                var message = new AlertMessage(type, clock.GetUtcNow(), alert with { Tenant = tenant });
                var body = JsonSerializer.Serialize(message, WireJson.Default.AlertMessage);
                await store.AddAsync(endpoint, id, toOperators ? AlertFinding.Everyone : tenantId, type, id, body, cancellationToken);
            }
        }
    }
}
