using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Alerts;
using AiBackend.Core.DeadLetters.Alerts;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Webhooks;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Peers;

namespace AiBackend.Tests.Webhooks;

/// <summary>Messages to endpoints of tenants, from what happened to a job to the receiver, which is the package of Standard Webhooks.</summary>
public sealed class TenantWebhookTests(PostgresServer postgres, RedisServer redis)
    : TenantWebhooks(postgres, redis),
        IClassFixture<RedisServer>
{
    [Fact]
    public async Task I_17_every_end_and_every_wait_of_a_job_is_one_message_that_an_independent_receiver_believes()
    {
        using var receiver = await ReceiverAsync();
        await AddAsync((await NodePeer.ListeningAsync(receiver)).ToString());
        var done = await EndAsync(AttemptEnd.Succeeded("Secret words of the answer"));
        var part = await EndAsync(AttemptEnd.Partial("Half", "the rest"));
        var failed = await EndAsync(AttemptEnd.FailedForGood(new JobError("invalid_request", "caller_error", "Wrong.", false)));
        var asked = await EndAsync(AttemptEnd.AskedForTool(new JobQuestion("{}")));
        var review = await EndAsync(AttemptEnd.AskedForReview(new JobQuestion("{}"), "A draft"));
        var retried = await EndAsync(AttemptEnd.FailedForNow(new JobError("down", "transient", "Down.", true), TimeSpan.FromHours(1)));
        var cancelled = await Core.SubmitAsync(CoreHost.Draft() with { Metadata = """{"order":"A-1"}""", Feature = "f" });
        await Core.Get<CancelJob>().RunAsync(ApiKeyStore.DefaultTenant, cancelled, TestRun.Cancel);

        await SendAsync(new Uri("http://127.0.0.1:1"), await NodePeer.ListeningAsync(receiver));

        var got = (await ReceivedWebhook.ReadAsync(receiver, 6)).Select(request => (request, Data(request))).ToList();
        Assert.All(got, each => Assert.Null(each.request.Error));
        Assert.Equal(6, got.Select(each => each.request.Id).Distinct(StringComparer.Ordinal).Count());
        Assert.Equal(
            new Dictionary<Guid, string>
            {
                [done] = "job.completed",
                [part] = "job.partially_completed",
                [failed] = "job.failed",
                [asked] = "job.waiting_for_tool",
                [review] = "job.waiting_for_review",
                [cancelled] = "job.cancelled",
            },
            got.ToDictionary(each => each.Item2.Data.GetProperty("id").GetGuid(), each => each.Item2.Type)
        );
        Assert.DoesNotContain(got, each => each.Item2.Data.GetProperty("id").GetGuid() == retried);
        Assert.DoesNotContain(got, each => each.request.Message!.Contains("Secret words", StringComparison.Ordinal));
        var last = got.Single(each => each.Item2.Data.GetProperty("id").GetGuid() == cancelled).Item2.Data;
        Assert.Equal(
            ("f", "A-1"),
            (last.GetProperty("feature").GetString(), last.GetProperty("metadata").GetProperty("order").GetString())
        );
        Assert.Equal(0, await Core.ScalarAsync<int>("SELECT count(*) FROM webhook_outbox"));
    }

    [Fact]
    public async Task An_endpoint_hears_of_its_own_tenant_and_of_what_it_asked_for_and_nothing_is_written_where_nobody_listens()
    {
        await EndAsync(AttemptEnd.Succeeded("Before."));
        Assert.Equal(0, await Core.ScalarAsync<int>("SELECT count(*) FROM webhook_outbox"));
        var other = Guid.CreateVersion7();
        await Core.ExecuteAsync("INSERT INTO tenants (id, slug) VALUES (@id, 'other')", other);
        var onlyFailed = await AddAsync("https://a.example/", ["job.failed"]);
        var all = await AddAsync("https://b.example/");
        var foreign = await AddAsync("https://c.example/", tenant: other);
        var disabled = await AddAsync("https://d.example/");
        await Core.Get<EndpointStore>().ChangeAsync(disabled.TenantId, disabled.Id, new(Enabled: false), TestRun.Cancel);

        await EndAsync(AttemptEnd.Succeeded("A."));
        await EndAsync(AttemptEnd.FailedForGood(new JobError("invalid_request", "caller_error", "Wrong.", false)));
        await Core.Get<WriteMessages>().RunAsync(TestRun.Cancel);

        Assert.Equal(["job.failed"], (await DeliveriesAsync(onlyFailed)).Select(delivery => delivery.Type));
        Assert.Equal(["job.completed", "job.failed"], (await DeliveriesAsync(all)).Select(delivery => delivery.Type).Order());
        Assert.Empty(await DeliveriesAsync(foreign));
        Assert.Empty(await DeliveriesAsync(disabled));
    }

    [Fact]
    public async Task A_message_about_a_job_goes_to_the_address_that_the_job_names()
    {
        using var receiver = await ReceiverAsync();
        var address = await NodePeer.ListeningAsync(receiver);
        var forJobs = await AddAsync(null);
        await Core.SubmitAsync(CoreHost.Draft());
        var named = await Core.SubmitAsync(CoreHost.Draft() with { WebhookUrl = new Uri(address, "own/path?x=1").ToString() });
        foreach (var id in new[] { named, await Core.SubmitAsync() })
        {
            await Core.Get<CancelJob>().RunAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel);
        }

        await SendAsync(address);

        var request = Assert.Single(await ReceivedWebhook.ReadAsync(receiver, 1));
        Assert.Equal((null, "/own/path?x=1", named), (request.Error, request.Path, Data(request).Data.GetProperty("id").GetGuid()));
        Assert.Equal(named, Assert.Single(await DeliveriesAsync(forJobs)).About);
    }

    /// <summary>One endpoint takes connections and never answers; another one is well.</summary>
    [Fact]
    public async Task Alerts_of_a_tenant_are_told_to_its_endpoints_and_budgets_by_their_own_name()
    {
        var all = await AddAsync("https://a.example/");
        var budgets = await AddAsync("https://b.example/", [WebhookEvents.BudgetThreshold]);
        await AddAlertAsync(ApiKeyStore.DefaultTenant, AlertRules.Budget);
        await AddAlertAsync(ApiKeyStore.DefaultTenant, AlertRules.Depth);
        await AddAlertAsync(AlertFinding.Everyone, AlertRules.KeyRefused);

        await Core.Get<TellAlerts>().RunAsync(TestRun.Cancel);
        await Core.Get<TellAlerts>().RunAsync(TestRun.Cancel);

        Assert.Equal(["alert.raised", "budget.threshold"], (await DeliveriesAsync(all)).Select(delivery => delivery.Type).Order());
        Assert.Equal(["budget.threshold"], (await DeliveriesAsync(budgets)).Select(delivery => delivery.Type));
    }

    [Fact]
    public async Task A_secret_is_stored_so_that_only_its_own_endpoint_reads_it()
    {
        var (mine, other) = (await AddAsync("https://a.example/"), await AddAsync("https://b.example/"));
        await Core.ExecuteAsync(
            $"UPDATE webhook_endpoints SET secret = (SELECT secret FROM webhook_endpoints WHERE id = '{other.Id}') WHERE id = @id",
            mine.Id
        );

        var stored = await Core.ScalarAsync<string>(
            "SELECT encode(secret, 'escape') || url FROM webhook_endpoints WHERE id = @id",
            other.Id
        );
        Assert.DoesNotContain("whsec_", stored, StringComparison.Ordinal);
        await EndAsync(AttemptEnd.Succeeded("A."));
        await Core.Get<WriteMessages>().RunAsync(TestRun.Cancel);
        var due = await Core.Get<DueEndpoints>().FindAsync([], [], new DueLimits(4, 10, 10), TestRun.Cancel);
        Assert.Equal([(mine.Id, 0), (other.Id, 1)], due.Select(each => (each.Id, each.Target.Secrets.Count)).OrderBy(each => each.Item2));
    }
}
