using AiBackend.Core.Routing;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Webhooks;
using AiBackend.Core.Webhooks.Inbound;
using AiBackend.Tests.Chaos;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Peers;
using AiBackend.Tests.Providers;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Webhooks;

/// <summary>A backup of production that is started elsewhere, with the same secrets and another name.</summary>
public sealed class CopiedInstallationTests(PostgresServer postgres, RedisServer redis) : IClassFixture<RedisServer>
{
    private const string Secret = "whsec_QWlCYWNrZW5kIHRlc3Qgc2VjcmV0LCAzMiBieXRlcyE=";
    private const string Stored = "Bearer sk-of-production-0001";

    private readonly LogCount _log = new();

    [Fact]
    public async Task A_79_a_copy_asks_no_provider_with_the_keys_and_tells_no_webhook_until_both_are_set_there()
    {
        await using var production = await postgres.CreateDatabaseAsync();
        await using var provider = new RawProvider(RawReply.Stream(Wire.Answer(Wire.OpenAi, "Yes.")));
        using var receiver = await NodePeer.StartAsync("webhook-receiver.mjs", "standardwebhooks", Secret, "200");
        var address = await NodePeer.ListeningAsync(receiver);
        var endpoint = await WorkInProductionAsync(production, provider, address, receiver);
        await using var copied = await CopyAsync(production);
        var asked = provider.Requests.Count;

        // What stops, and how it is told: the log names each key and each webhook.
        await using (var copy = await StartAsync(copied, "staging", provider, address))
        {
            await copy.RunJobAsync(CoreHost.Draft());
            await Eventually.TrueAsync(_ => Task.FromResult(Told(2702) && Told(2802)), "both are told");

            Assert.DoesNotContain(provider.Requests.Skip(asked), request => request.Header("Authorization") == Stored);
            Assert.Empty((await SourceAsync(copy)).Secrets);
            await ReceivedWebhook.ReadAsync(receiver, 1);
            Assert.Equal(1, await copy.ScalarAsync<int>("SELECT count(*) FROM webhook_deliveries WHERE state = 0 AND tries = 0"));
            Assert.True((await copy.Get<EndpointStore>().FindAsync(endpoint.TenantId, endpoint.Id, TestRun.Cancel))!.Enabled);

            // How it is mended: they are set again, and hold from then on.
            await copy.Get<CredentialStore>().SetAsync("p0", null, "sk-of-staging-0002", "k", TestRun.Cancel);
            await copy.Get<EndpointStore>().RotateAsync(endpoint.TenantId, endpoint.Id, Secret, TestRun.Cancel);
            await Eventually.TrueAsync(
                async _ =>
                {
                    await copy.RunJobAsync(CoreHost.Draft());
                    return provider.Requests[^1].Header("Authorization") == "Bearer sk-of-staging-0002";
                },
                "the key that was set here is used"
            );
        }

        // Or within a minute.
        await using var restarted = await StartAsync(copied, "staging", provider, address);
        await Eventually.TrueAsync(
            async _ => await restarted.ScalarAsync<int>("SELECT count(*) FROM webhook_deliveries WHERE state = 0") == 0,
            "what waited is sent"
        );
        Assert.DoesNotContain(provider.Requests.Skip(asked), request => request.Header("Authorization") == Stored);
    }

    /// <summary>A key and a webhook that are used once, and a source.</summary>
    private async Task<WebhookEndpoint> WorkInProductionAsync(
        TestDatabase database,
        RawProvider provider,
        Uri address,
        ChildProcess receiver
    )
    {
        await using var worker = await StartAsync(database, "production", provider, address);
        await worker.Get<CredentialStore>().SetAsync("p0", null, Stored["Bearer ".Length..], "k", TestRun.Cancel);
        await Eventually.TrueAsync(
            async _ =>
            {
                await worker.RunJobAsync(CoreHost.Draft());
                return provider.Requests[^1].Header("Authorization") == Stored;
            },
            "the key is used"
        );
        var source = new WebhookSource
        {
            Id = Guid.CreateVersion7(),
            TenantId = ApiKeyStore.DefaultTenant,
            Name = "n",
            Template = "{}",
            CreatedBy = "k",
        };
        await worker.Get<SourceStore>().AddAsync(source, Secret, TestRun.Cancel);
        Assert.Single((await SourceAsync(worker)).Secrets);
        var endpoint = await worker
            .Get<EndpointStore>()
            .AddAsync(
                new WebhookEndpoint
                {
                    Id = Guid.CreateVersion7(),
                    TenantId = ApiKeyStore.DefaultTenant,
                    Url = address.ToString(),
                    Events = [],
                },
                Secret,
                "k",
                TestRun.Cancel
            );
        await worker.RunJobAsync(CoreHost.Draft());
        await ReceivedWebhook.ReadAsync(receiver, 1);
        await Eventually.TrueAsync(
            async _ => await worker.ScalarAsync<int>("SELECT count(*) FROM webhook_deliveries WHERE state = 1") == 1,
            "the receiver's answer is noted"
        );
        Assert.False(Told(2702) || Told(2802));
        return endpoint!;
    }

    private bool Told(int number) => _log.Events.Contains(number);

    private static async Task<OpenSource> SourceAsync(CoreHost worker) =>
        (
            await worker
                .Get<SourceStore>()
                .OpenAsync(Guid.Parse(await worker.ScalarAsync<string>("SELECT id::text FROM webhook_sources")), TestRun.Cancel)
        )!;

    /// <summary>As a backup that is restored; nobody may be at work in what is copied.</summary>
    private async Task<TestDatabase> CopyAsync(TestDatabase database)
    {
        await using (
            var command = database.Source.CreateCommand(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
        {
            await command.ExecuteNonQueryAsync(TestRun.Cancel);
        }

        database.Source.Clear();
        return await TestDatabase.CopyAsync(postgres, database.Name);
    }

    private Task<CoreHost> StartAsync(TestDatabase database, string name, RawProvider provider, Uri receiver) =>
        WorkerUnderTest.StartAsync(
            database.ConnectionString,
            redis.ConnectionString,
            [(provider.Address, "m")],
            [("Installation:Name", name), ("Egress:Allow:0", receiver.GetLeftPart(UriPartial.Authority))],
            builder => builder.Logging.AddProvider(_log)
        );
}
