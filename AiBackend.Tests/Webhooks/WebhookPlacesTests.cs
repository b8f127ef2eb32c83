using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Webhooks;
using AiBackend.Tests.Egress;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.Webhooks;

/// <summary>F-40: who gets a place to be sent to, and for how long.</summary>
public sealed class WebhookPlacesTests(PostgresServer postgres, RedisServer redis)
    : TenantWebhooks(postgres, redis),
        IClassFixture<RedisServer>
{
    [Fact]
    public async Task F_40_slow_endpoints_of_one_tenant_leave_places_to_another_tenant()
    {
        await using var silent = new TcpTarget((_, stop) => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stop));
        await using var quick = new TcpTarget();
        var (hanging, well) = (new Uri($"http://127.0.0.1:{silent.Port}/"), new Uri($"http://127.0.0.1:{quick.Port}/"));
        for (var i = 0; i < EndpointStore.MostOfTenant; i++)
        {
            await QueueAsync(await AddAsync(hanging.ToString()), 1);
        }

        var other = Guid.CreateVersion7();
        await Core.ExecuteAsync("INSERT INTO tenants (id, slug) VALUES (@id, 'other')", other);
        await QueueAsync(await AddAsync(well.ToString(), tenant: other), 1);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        // Time stands still for whoever hangs: none of them is given up and makes room for another.
        using var client = Client(new FakeTime(), hanging, well);
        var send = Sender(client);

        await send.BeginAsync(stop.Token);

        await Eventually.TrueAsync(
            async _ => await Core.ScalarAsync<int>("SELECT count(*) FROM webhook_deliveries WHERE state = 1") == 1,
            "the other tenant has its message",
            TimeSpan.FromSeconds(10)
        );
        await Eventually.TrueAsync(() => silent.Connections > 0, "the slow one is called");
        Assert.InRange(silent.Connections, 1, 4);
        await stop.CancelAsync();
        await send.IdleAsync();
    }

    [Fact]
    public async Task F_40_a_slow_endpoint_gives_its_place_away_after_a_turn()
    {
        await using var slow = new TcpTarget(
            async (stream, stop) =>
            {
                await TcpTarget.ReadHeadAsync(stream, stop);
                await Task.Delay(TimeSpan.FromSeconds(3), TimeProvider.System, stop);
                await TcpTarget.WriteAsync(stream, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", stop);
            }
        );
        var address = new Uri($"http://127.0.0.1:{slow.Port}/");
        await QueueAsync(await AddAsync(address.ToString()), 12);
        using var client = Client(address);
        var send = Sender(client);

        await send.BeginAsync(TestRun.Cancel);
        await send.IdleAsync();

        Assert.Equal(4, await Core.ScalarAsync<int>("SELECT count(*) FROM webhook_deliveries WHERE state = 1"));
    }

    [Fact]
    public async Task F_40_endpoints_that_fail_do_not_hide_those_that_are_well()
    {
        for (var i = 0; i < 30; i++)
        {
            var tenant = Guid.CreateVersion7();
            await Core.ExecuteAsync("INSERT INTO tenants (id, slug) VALUES (@id, @id::text)", tenant);
            await QueueAsync(await AddAsync("https://a.example.com/", tenant: tenant), 1);
        }

        await Core.ExecuteAsync("UPDATE webhook_endpoints SET failing_since = now() WHERE @id IS NOT NULL", Guid.Empty);
        var (well, slow) = (await AddAsync("https://b.example.com/"), await AddAsync("https://c.example.com/"));
        await QueueAsync(well, 1);
        await QueueAsync(slow, 1);

        var due = await Core.Get<DueEndpoints>().FindAsync([], [slow.Id], new DueLimits(4, 8, 4), TestRun.Cancel);

        Assert.Equal([well.Id], due.Where(endpoint => !endpoint.IsWeak).Select(endpoint => endpoint.Id));
        Assert.Equal(4, due.Count(endpoint => endpoint.IsWeak));
    }

    [Fact]
    public async Task A_mistake_with_one_endpoint_or_a_term_that_is_over_fails_nobody_who_waits()
    {
        var forJobs = await AddAsync(null);
        // Without an address of its own the message has nowhere to go.
        await QueueAsync(forJobs, 1);
        using var client = Client();
        var send = Sender(client);

        Assert.Equal(1, await send.BeginAsync(TestRun.Cancel));
        await send.IdleAsync();

        await DueAsync();
        Assert.Equal(0, await send.BeginAsync(TestRun.Cancel));
    }

    [Fact]
    public async Task An_endpoint_whose_secret_cannot_be_read_takes_no_place()
    {
        var endpoint = await AddAsync("https://a.example.com/");
        await QueueAsync(endpoint, 1);
        await Core.ExecuteAsync("UPDATE webhook_endpoints SET secret = 'x' WHERE id = @id", endpoint.Id);
        using var client = Client();

        Assert.Equal(0, await Sender(client).BeginAsync(TestRun.Cancel));
    }

    [Fact]
    public async Task An_endpoint_for_jobs_is_noted_as_failing_and_never_disabled()
    {
        await using var gone = new TcpTarget(
            async (stream, stop) =>
            {
                await TcpTarget.ReadHeadAsync(stream, stop);
                await TcpTarget.WriteAsync(stream, "HTTP/1.1 500 Broken\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", stop);
            }
        );
        var address = new Uri($"http://127.0.0.1:{gone.Port}/");
        var forJobs = await AddAsync(null);
        var job = await Core.SubmitAsync(CoreHost.Draft() with { WebhookUrl = address.ToString() });
        await Core.Get<CancelJob>().RunAsync(ApiKeyStore.DefaultTenant, job, TestRun.Cancel);
        await SendAsync(address);
        Assert.NotNull((await FoundAsync(forJobs)).FailingSince);

        await Core.ExecuteAsync("UPDATE webhook_endpoints SET failing_since = now() - interval '6 days' WHERE id = @id", forJobs.Id);
        await DueAsync();
        await SendAsync(address);

        Assert.True((await FoundAsync(forJobs)).Enabled);
    }

    [Fact]
    public async Task What_was_given_up_does_not_count_against_what_comes_later()
    {
        await using var gone = new TcpTarget(
            async (stream, stop) =>
            {
                await TcpTarget.ReadHeadAsync(stream, stop);
                await TcpTarget.WriteAsync(stream, "HTTP/1.1 500 Broken\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", stop);
            }
        );
        var address = new Uri($"http://127.0.0.1:{gone.Port}/");
        var endpoint = await AddAsync(address.ToString());
        await QueueAsync(endpoint, 1);
        await SendAsync(address);
        Assert.NotNull((await FoundAsync(endpoint)).FailingSince);
        await Core.ExecuteAsync("UPDATE webhook_deliveries SET tries = 9, next_at = now() WHERE @id IS NOT NULL", Guid.Empty);

        await SendAsync(address);

        Assert.Equal("given_up", Assert.Single(await DeliveriesAsync(endpoint)).State);
        Assert.Null((await FoundAsync(endpoint)).FailingSince);
    }

    [Fact]
    public async Task A_message_that_is_sent_again_during_its_last_try_is_tried_again()
    {
        var endpoint = await AddAsync("https://a.example.com/");
        await QueueAsync(endpoint, 1);
        await Core.ExecuteAsync("UPDATE webhook_deliveries SET tries = 9 WHERE @id IS NOT NULL", Guid.Empty);
        var store = Core.Get<DeliveryStore>();
        var last = Assert.Single(await store.TakeAsync(endpoint.Name, 1, TestRun.Cancel));
        await Core.Get<DeliveryReads>().ResendAsync(endpoint.TenantId, endpoint.Id, last.Id, TestRun.Cancel);

        await store.EndAsync(endpoint.Name, last, DeliveryState.GivenUp, "lost", TimeSpan.Zero, TimeSpan.Zero, TestRun.Cancel);

        Assert.Equal("waiting", Assert.Single(await DeliveriesAsync(endpoint)).State);
    }

    [Fact]
    public async Task A_change_writes_what_is_given_and_the_endpoint_for_jobs_does_not_count()
    {
        await AddAsync(null);
        var endpoint = await AddAsync("https://a.example.com/", ["job.failed"]);
        for (var i = 1; i < EndpointStore.MostOfTenant; i++)
        {
            Assert.NotNull(await AddAsync("https://b.example.com/"));
        }

        Assert.Null(await AddAsync("https://b.example.com/"));
        await Core.ExecuteAsync("UPDATE webhook_endpoints SET enabled = false, disabled_for = 'gone' WHERE id = @id", endpoint.Id);

        await Core.Get<EndpointStore>().ChangeAsync(endpoint.TenantId, endpoint.Id, new(Description: "d"), TestRun.Cancel);

        var now = await FoundAsync(endpoint);
        Assert.Equal((false, "gone", "d", endpoint.Url), (now.Enabled, now.DisabledFor, now.Description, now.Url));
        Assert.Equal(["job.failed"], now.Events);
    }

    [Fact]
    public async Task A_71_the_audit_log_has_the_origin_of_an_address_alone()
    {
        var endpoint = await AddAsync("https://a.example.com/secret-path?token=secret");
        await Core.Get<EndpointStore>()
            .ChangeAsync(endpoint.TenantId, endpoint.Id, new(Url: "https://a.example.com/secret-other"), TestRun.Cancel);

        var rows = await Core.ScalarAsync<string>(
            "SELECT string_agg(coalesce(before ->> 'url', '') || '>' || (after ->> 'url'), ' ' ORDER BY seq) FROM audit_log WHERE kind = 'webhook' AND object = @id::text",
            endpoint.Id
        );

        Assert.Equal(">https://a.example.com https://a.example.com>https://a.example.com", rows);
    }

    private async Task QueueAsync(WebhookEndpoint endpoint, int count)
    {
        for (var i = 0; i < count; i++)
        {
            var id = Guid.CreateVersion7();
            await Core.Get<DeliveryStore>().AddAsync(endpoint.Name, id, endpoint.TenantId, "job.failed", id, "{}", TestRun.Cancel);
        }
    }
}
