using System.Text.Json;
using AiBackend.Core.Egress;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Webhooks;
using AiBackend.Tests.Egress;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Peers;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Webhooks;

/// <summary>Receivers of tenants that hang, fail, are gone, or whose sender dies.</summary>
public sealed class WebhookTroubleTests(PostgresServer postgres, RedisServer redis)
    : TenantWebhooks(postgres, redis),
        IClassFixture<RedisServer>
{
    private readonly RedisServer _redis = redis;

    [Fact]
    public async Task F_40_gone_disables_the_endpoint_and_what_waited_is_sent_when_it_is_enabled_again()
    {
        using var receiver = await ReceiverAsync("503", "410", "200");
        var address = await NodePeer.ListeningAsync(receiver);
        var endpoint = await AddAsync(address.ToString());
        await EndAsync(AttemptEnd.Succeeded("A."));
        await SendAsync(address);
        // It is not for the first message, which would be due again in five seconds, that the receiver says that it is gone.
        await Core.ExecuteAsync("UPDATE webhook_deliveries SET next_at = now() + interval '1 hour' WHERE @id IS NOT NULL", Guid.Empty);
        await EndAsync(AttemptEnd.Succeeded("B."));
        await SendAsync(address);

        var now = await Core.Get<EndpointStore>().FindAsync(endpoint.TenantId, endpoint.Id, TestRun.Cancel);
        Assert.Equal((false, "gone"), (now!.Enabled, now.DisabledFor));
        await EndAsync(AttemptEnd.Succeeded("C."));
        await DueAsync();
        await SendAsync(address);
        await ReceivedWebhook.ReadAsync(receiver, 2);
        await Core.Get<EndpointStore>().ChangeAsync(now.TenantId, now.Id, new(Enabled: true), TestRun.Cancel);
        await SendAsync(address);

        Assert.All(await ReceivedWebhook.ReadAsync(receiver, 3), request => Assert.Null(request.Error));
        Assert.Equal(
            ["delivered: status 503", "given_up: status 410"],
            (await DeliveriesAsync(endpoint)).Select(d => $"{d.State}: {d.Attempts[0].Error}").Order(StringComparer.Ordinal)
        );
        Assert.Null((await Core.Get<EndpointStore>().FindAsync(endpoint.TenantId, endpoint.Id, TestRun.Cancel))!.DisabledFor);
    }

    [Fact]
    public async Task An_endpoint_that_takes_nothing_for_five_days_is_disabled_and_one_success_makes_it_well()
    {
        using var receiver = await ReceiverAsync("500", "200", "500");
        var address = await NodePeer.ListeningAsync(receiver);
        var endpoint = await AddAsync(address.ToString());
        await EndAsync(AttemptEnd.Succeeded("A."));
        await SendAsync(address);
        Assert.NotNull((await FoundAsync(endpoint)).FailingSince);
        await DueAsync();
        await SendAsync(address);
        Assert.Null((await FoundAsync(endpoint)).FailingSince);

        await EndAsync(AttemptEnd.Succeeded("B."));
        await SendAsync(address);
        Assert.True((await FoundAsync(endpoint)).Enabled);
        await Core.ExecuteAsync(
            "UPDATE webhook_endpoints SET failing_since = now() - interval '5 days 1 minute' WHERE id = @id",
            endpoint.Id
        );
        await DueAsync();
        await SendAsync(address);

        Assert.Equal((false, "failing"), ((await FoundAsync(endpoint)).Enabled, (await FoundAsync(endpoint)).DisabledFor));
    }

    [Fact]
    public async Task F_40_what_hangs_holds_up_itself_alone_and_with_few_connections()
    {
        const int Jobs = 40;
        using var receiver = await ReceiverAsync();
        await using var silent = new TcpTarget((_, stop) => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stop));
        var (well, hanging) = (await NodePeer.ListeningAsync(receiver), new Uri($"http://127.0.0.1:{silent.Port}/"));
        var slow = await AddAsync(hanging.ToString());
        await AddAsync(well.ToString());
        for (var i = 0; i < Jobs; i++)
        {
            var id = await Core.SubmitAsync();
            await Core.Get<CancelJob>().RunAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel);
        }

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        // Time stands still for whoever hangs: none of them is given up and makes room for another.
        using var client = Client(new FakeTime(), hanging, well);
        var send = Sender(client);
        await Core.Get<WriteMessages>().RunAsync(TestRun.Cancel);
        await Eventually.TrueAsync(
            async _ =>
            {
                await send.BeginAsync(stop.Token);
                return await Core.ScalarAsync<int>("SELECT count(*) FROM webhook_deliveries WHERE state = 1") == Jobs;
            },
            "the one that is well has everything",
            TimeSpan.FromSeconds(60)
        );

        await Eventually.TrueAsync(() => silent.Connections > 0, "the one that hangs is called");
        Assert.InRange(silent.Connections, 1, 4);
        Assert.Equal(
            0,
            await Core.ScalarAsync<int>($"SELECT count(*) FROM webhook_tries WHERE endpoint = '{slow.Name}' AND error IS NULL")
        );
        await stop.CancelAsync();
        await send.IdleAsync();
    }

    [Fact]
    public async Task A_39_the_log_of_tries_says_neither_who_answered_nor_what()
    {
        using var receiver = await ReceiverAsync("500", "302");
        var address = await NodePeer.ListeningAsync(receiver);
        var endpoint = await AddAsync(address.ToString());
        var dead = await AddAsync("https://a.example.com:443/");
        await EndAsync(AttemptEnd.Succeeded("A."));
        await SendAsync(address);
        await DueAsync();
        await SendAsync(address);

        var attempts = Assert.Single(await DeliveriesAsync(endpoint)).Attempts;
        Assert.Equal([500, 302], attempts.Select(attempt => attempt.Status));
        Assert.Equal(
            [EgressErrors.Refused, EgressErrors.Refused],
            Assert.Single(await DeliveriesAsync(dead)).Attempts.Select(attempt => attempt.Error)
        );
        var text = JsonSerializer.Serialize(attempts, JsonSerializerOptions.Web);
        Assert.DoesNotContain("secret words", text, StringComparison.Ordinal);
        Assert.DoesNotContain("127.0.0.1", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task I_17_a_leader_that_is_killed_before_the_answer_leaves_the_message_to_the_next()
    {
        using var receiver = await ReceiverAsync("500", "200");
        var address = await NodePeer.ListeningAsync(receiver);
        var endpoint = await AddAsync(address.ToString());
        var job = await Core.SubmitAsync(CoreHost.Draft() with { NotBefore = TimeProvider.System.GetUtcNow().AddHours(1) });
        await Core.Get<CancelJob>().RunAsync(ApiKeyStore.DefaultTenant, job, TestRun.Cancel);
        (string, string)[] settings = [("Egress__Allow__0", address.GetLeftPart(UriPartial.Authority))];
        var provider = (new Uri($"http://127.0.0.1:{FreePort.Next()}"), "m");

        using (var first = await WorkerProcess.StartAsync(Db, _redis, provider, settings))
        {
            await ReceivedWebhook.ReadAsync(receiver, 1);
            first.Signal(Signal.Kill);
            await first.WaitForExitAsync();
        }

        await Core.BuryAsync();
        using var second = await WorkerProcess.StartAsync(Db, _redis, provider, settings);
        var requests = await ReceivedWebhook.ReadAsync(receiver, 2);

        Assert.All(requests, request => Assert.Null(request.Error));
        Assert.Single(requests.Select(request => request.Id).Distinct(StringComparer.Ordinal));
        await Eventually.TrueAsync(async _ => Assert.Single(await DeliveriesAsync(endpoint)).State == "delivered", "it is noted");
    }
}
