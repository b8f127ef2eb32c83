using System.Text.Json;
using AiBackend.Core.Database;
using AiBackend.Core.Egress;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Webhooks;
using AiBackend.Tests.Egress;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Peers;
using Microsoft.Extensions.Logging.Abstractions;

namespace AiBackend.Tests.Webhooks;

/// <summary>What tests of webhooks of tenants have in common: endpoints, jobs that end, a sender that may reach this machine, a receiver.</summary>
public abstract class TenantWebhooks(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis)
{
    protected const string Secret = "whsec_QWlCYWNrZW5kIHRlc3Qgc2VjcmV0LCAzMiBieXRlcyE=";

    private protected static Task<ChildProcess> ReceiverAsync(params string[] statuses) =>
        NodePeer.StartAsync("webhook-receiver.mjs", "standardwebhooks", [Secret, .. statuses.DefaultIfEmpty("200")]);

    protected async Task<WebhookEndpoint> AddAsync(string? url, string[]? events = null, Guid? tenant = null) =>
        (
            await Core.Get<EndpointStore>()
                .AddAsync(
                    new WebhookEndpoint
                    {
                        Id = Guid.CreateVersion7(),
                        TenantId = tenant ?? ApiKeyStore.DefaultTenant,
                        Url = url,
                        Events = events ?? [],
                    },
                    Secret,
                    "k",
                    TestRun.Cancel
                )
        )!;

    protected async Task<WebhookEndpoint> FoundAsync(WebhookEndpoint endpoint) =>
        (await Core.Get<EndpointStore>().FindAsync(endpoint.TenantId, endpoint.Id, TestRun.Cancel))!;

    protected async Task<Guid> EndAsync(AttemptEnd end)
    {
        var id = await Core.SubmitAsync();
        var running = await Core.ClaimAsync(id);
        Assert.True(await running.EndAsync(end));
        return id;
    }

    private protected static EgressClient Client(params Uri[] allowed) => Client(TimeProvider.System, allowed);

    /// <summary>One that waits for an answer as long as a clock of the test's says.</summary>
    private protected static EgressClient Client(TimeProvider clock, params Uri[] allowed) =>
        new(
            Guarded.Rules([.. allowed.Select(address => address.GetLeftPart(UriPartial.Authority))], isDevelopment: true),
            new KnownHosts(),
            clock
        );

    private protected SendToTenants Sender(EgressClient client) =>
        new(
            Core.Get<DueEndpoints>(),
            Core.Get<DeliverWebhooks>(),
            new WebhookSender(client, TimeProvider.System),
            Core.Get<IStorageWatch>(),
            TimeProvider.System,
            NullLogger<SendToTenants>.Instance
        );

    /// <summary>Sends what is due, as the leader does, until nothing is.</summary>
    protected async Task SendAsync(params Uri[] allowed)
    {
        using var client = Client(allowed);
        var send = Sender(client);
        await Core.Get<WriteMessages>().RunAsync(TestRun.Cancel);
        while (await send.BeginAsync(TestRun.Cancel) > 0)
        {
            await send.IdleAsync();
        }
    }

    /// <summary>As if the time until the next try had passed.</summary>
    protected Task DueAsync() =>
        Core.ExecuteAsync("UPDATE webhook_deliveries SET next_at = now() WHERE state = 0 AND @id IS NOT NULL", Guid.Empty);

    protected async Task<IReadOnlyList<ApiContracts.Webhooks.WebhookDelivery>> DeliveriesAsync(WebhookEndpoint endpoint) =>
        await Core.Get<DeliveryReads>().ListAsync(endpoint.TenantId, endpoint.Id, null, null, 100, TestRun.Cancel);

    protected async Task AddAlertAsync(Guid tenant, string rule)
    {
        await using var command = Core.Database.CreateCommand(
            "INSERT INTO alerts (id, tenant_id, rule, cause, value, message) VALUES ($1, $2, $3, $3, 80, 'A.')"
        );
        command.Parameters.Add(new() { Value = Guid.CreateVersion7() });
        command.Parameters.Add(new() { Value = tenant });
        command.Parameters.Add(new() { Value = rule });
        await command.ExecuteNonQueryAsync(TestRun.Cancel);
    }

    private protected static (string Type, JsonElement Data) Data(ReceivedWebhook request)
    {
        var message = JsonDocument.Parse(request.Message!).RootElement;
        Assert.Equal(["type", "timestamp", "data"], message.EnumerateObject().Select(member => member.Name));
        Assert.True(message.GetProperty("timestamp").TryGetDateTimeOffset(out _));
        return (message.GetProperty("type").GetString()!, message.GetProperty("data"));
    }
}
