using System.Text.Json;
using AiBackend.Core.DeadLetters.Alerts;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Webhooks;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Peers;
using AiBackend.Tests.Worker;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Webhooks;

/// <summary>Alerts reach the operators' webhook, whose receiver is the package of Standard Webhooks.</summary>
public sealed class AlertWebhookTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    private readonly RedisServer _redis = redis;

    private const string Secret = "whsec_QWlCYWNrZW5kIHRlc3Qgc2VjcmV0LCAzMiBieXRlcyE=";

    [Fact]
    public async Task I_17_F_40_an_alert_is_one_message_that_is_tried_with_the_same_id_until_the_receiver_takes_it()
    {
        using var receiver = await ReceiverAsync("500", "302", "503", "200");
        var tell = await TellerAsync(receiver);
        var alert = await RaiseAsync("The budget of tenant 'x' has reached 80 %.");

        Assert.Equal(1, await tell.RunAsync(TestRun.Cancel));
        Assert.Equal(0, await tell.RunAsync(TestRun.Cancel));
        Assert.Equal(("waiting", "status 500"), await StateAsync(alert));
        await DueAsync();
        Assert.Equal(1, await tell.RunAsync(TestRun.Cancel));
        Assert.Equal("status 302", (await StateAsync(alert)).Error);
        await DueAsync();
        Assert.Equal(1, await tell.RunAsync(TestRun.Cancel));
        Assert.Equal(
            1,
            await Core.ScalarAsync<int>("SELECT count(*) FROM webhook_deliveries WHERE next_at > now() + interval '55 minutes'")
        );
        await DueAsync();
        Assert.Equal(1, await tell.RunAsync(TestRun.Cancel));
        await DueAsync();
        Assert.Equal(0, await tell.RunAsync(TestRun.Cancel));

        var requests = await ReceivedWebhook.ReadAsync(receiver, 4);
        Assert.All(requests, request => Assert.Equal((null, $"msg_{alert:N}", "/"), (request.Error, request.Id, request.Path)));
        Assert.Single(requests.Select(request => request.Message).Distinct(StringComparer.Ordinal));
        var message = JsonDocument.Parse(requests[0].Message!).RootElement;
        Assert.Equal("alert.raised", message.GetProperty("type").GetString());
        var data = message.GetProperty("data");
        Assert.Equal(
            (alert, "budget_threshold", "default", "The budget of tenant 'x' has reached 80 %."),
            (
                data.GetProperty("id").GetGuid(),
                data.GetProperty("rule").GetString(),
                data.GetProperty("tenant").GetString(),
                data.GetProperty("message").GetString()
            )
        );
        Assert.Equal(("delivered", null), await StateAsync(alert));
    }

    [Fact]
    public async Task A_try_whose_process_died_is_made_again_and_one_that_comes_late_changes_nothing()
    {
        using var receiver = await ReceiverAsync("200");
        var tell = await TellerAsync(receiver);
        var alert = await RaiseAsync("A.");
        var store = Core.Get<DeliveryStore>();
        await store.AddAsync(TellAlerts.Endpoint, alert, Guid.Empty, "alert.raised", alert, "{}", TestRun.Cancel);
        var lost = Assert.Single(await store.TakeAsync(TellAlerts.Endpoint, 10, TestRun.Cancel));
        Assert.Empty(await store.TakeAsync(TellAlerts.Endpoint, 10, TestRun.Cancel));

        await DueAsync();
        Assert.Equal(1, await tell.RunAsync(TestRun.Cancel));
        await store.EndAsync(TellAlerts.Endpoint, lost, DeliveryState.GivenUp, "timeout", TimeSpan.Zero, TimeSpan.Zero, TestRun.Cancel);

        Assert.Single(await ReceivedWebhook.ReadAsync(receiver, 1));
        Assert.Equal(("delivered", null), await StateAsync(alert));
    }

    [Fact]
    public async Task F_40_a_receiver_that_is_gone_or_never_answers_is_given_up_and_said_so()
    {
        using var receiver = await ReceiverAsync("410");
        var tell = await TellerAsync(receiver);
        var gone = await RaiseAsync("B.");
        Assert.Equal(1, await tell.RunAsync(TestRun.Cancel));
        Assert.Equal(("given_up", "status 410"), await StateAsync(gone));

        var nobody = Teller(new Uri($"http://127.0.0.1:{FreePort.Next()}"));
        var unheard = await RaiseAsync("C.");
        for (var tries = 1; tries <= 10; tries++)
        {
            Assert.Equal(
                ("waiting", 1),
                (tries == 1 ? "waiting" : (await StateAsync(unheard)).State, await nobody.RunAsync(TestRun.Cancel))
            );
            await DueAsync();
        }

        Assert.Equal(("given_up", "unreachable"), await StateAsync(unheard));
        Assert.Equal(0, await nobody.RunAsync(TestRun.Cancel));
        await Core.ExecuteAsync("UPDATE webhook_deliveries SET ended_at = now() - interval '31 days' WHERE id = @id", gone);
        await Core.Get<DeliveryStore>().PruneAsync(TestRun.Cancel);
        // It still holds, and would be told again.
        Assert.Equal(2, await Core.ScalarAsync<int>("SELECT count(*) FROM webhook_deliveries"));
        await Core.ExecuteAsync("UPDATE alerts SET resolved_at = now() - interval '3 hours' WHERE id = @id", gone);
        await Core.Get<DeliveryStore>().PruneAsync(TestRun.Cancel);
        Assert.Equal(1, await Core.ScalarAsync<int>("SELECT count(*) FROM webhook_deliveries"));
    }

    [Fact]
    public async Task I_17_an_alert_that_was_over_before_anybody_looked_is_told_all_the_same()
    {
        using var receiver = await ReceiverAsync("200");
        var tell = await TellerAsync(receiver);
        var alert = await RaiseAsync("E.");
        await Core.ExecuteAsync("UPDATE alerts SET resolved_at = now() WHERE id = @id", alert);
        var old = await RaiseAsync("F.");
        await Core.ExecuteAsync("UPDATE alerts SET resolved_at = now() - interval '2 hours' WHERE id = @id", old);

        Assert.Equal(1, await tell.RunAsync(TestRun.Cancel));

        Assert.Equal($"msg_{alert:N}", Assert.Single(await ReceivedWebhook.ReadAsync(receiver, 1)).Id);
    }

    [Fact]
    public async Task I_17_a_leader_that_is_killed_between_two_tries_leaves_the_message_to_the_next()
    {
        using var receiver = await ReceiverAsync("500", "200");
        (string, string)[] settings =
        [
            ("Alerts__Webhook__Url", (await NodePeer.ListeningAsync(receiver)).ToString()),
            ("Alerts__Webhook__Secret", Secret),
        ];
        var provider = (new Uri($"http://127.0.0.1:{FreePort.Next()}"), "m");
        var alert = await RaiseAsync("D.");
        await Core.ExecuteAsync("UPDATE alerts SET firing_at = now() + interval '1 hour' WHERE id = @id", alert);

        using (var first = await WorkerProcess.StartAsync(Db, _redis, provider, settings))
        {
            await ReceivedWebhook.ReadAsync(receiver, 1);
            first.Signal(Signal.Kill);
            await first.WaitForExitAsync();
        }

        // Neither the leader's term nor what is left until the next try has to pass.
        await Core.BuryAsync();
        await DueAsync();
        using var second = await WorkerProcess.StartAsync(Db, _redis, provider, settings);
        var requests = await ReceivedWebhook.ReadAsync(receiver, 2);

        Assert.All(requests, request => Assert.Equal((null, $"msg_{alert:N}"), (request.Error, request.Id)));
        await Eventually.TrueAsync(async _ => await StateAsync(alert) == ("delivered", null), "it is noted");
    }

    [Theory]
    [InlineData("ftp://x", Secret, false, "Alerts:Webhook:Url is no address")]
    [InlineData("http://hooks.example/x", Secret, false, "an https address")]
    [InlineData("https://me:pw@hooks.example/x", Secret, true, "without user name")]
    [InlineData("https://hooks.example/x", "", true, "Alerts:Webhook:Secret is not a secret")]
    [InlineData("", Secret, true, "Alerts:Webhook:Url is no address")]
    [InlineData("http://hooks.example/x", Secret, true, null)]
    [InlineData("https://hooks.example/x", Secret, false, null)]
    [InlineData("", "", false, null)]
    public void A_30_addresses_and_secrets_that_cannot_be_used_are_refused_on_start(
        string url,
        string secret,
        bool development,
        string? fault
    )
    {
        var result = new AlertWebhookValidator(development).Validate(null, new AlertWebhookOptions { Url = url, Secret = secret });

        Assert.Equal(fault is null, result.Succeeded);
        Assert.Contains(fault ?? "", result.FailureMessage ?? "", StringComparison.Ordinal);
    }

    private static Task<ChildProcess> ReceiverAsync(params string[] statuses) =>
        NodePeer.StartAsync("webhook-receiver.mjs", "standardwebhooks", [Secret, .. statuses]);

    private async Task<TellAlerts> TellerAsync(ChildProcess receiver) => Teller(await NodePeer.ListeningAsync(receiver));

    private TellAlerts Teller(Uri address) =>
        new(
            Core.Database,
            Core.Get<AlertReads>(),
            Core.Get<DeliveryStore>(),
            Core.Get<DeliverWebhooks>(),
            Options.Create(new AlertWebhookOptions { Url = address.ToString(), Secret = Secret }),
            TimeProvider.System
        );

    private async Task<Guid> RaiseAsync(string message)
    {
        var id = Guid.CreateVersion7();
        await using var command = Core.Database.CreateCommand(
            "INSERT INTO alerts (id, tenant_id, rule, cause, value, message) VALUES ($1, $2, 'budget_threshold', $3, 80, $4)"
        );
        command.Parameters.Add(new() { Value = id });
        command.Parameters.Add(new() { Value = ApiKeyStore.DefaultTenant });
        command.Parameters.Add(new() { Value = id.ToString() });
        command.Parameters.Add(new() { Value = message });
        await command.ExecuteNonQueryAsync(TestRun.Cancel);
        return id;
    }

    /// <summary>As if the time until the next try had passed.</summary>
    private Task DueAsync() => Core.ExecuteAsync("UPDATE webhook_deliveries SET next_at = now() WHERE @id IS NOT NULL", Guid.Empty);

    private async Task<(string? State, string? Error)> StateAsync(Guid alert)
    {
        var read = await Core.Get<AlertReads>().FindAsync(ApiKeyStore.DefaultTenant, alert, TestRun.Cancel);
        var error = await Core.ScalarAsync<string>("SELECT coalesce(last_error, '') FROM webhook_deliveries WHERE id = @id", alert);
        return (read!.Webhook, error.Length == 0 ? null : error);
    }
}
