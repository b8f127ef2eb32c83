using AiBackend.Core.Alerts;
using AiBackend.Core.DeadLetters.Alerts;
using AiBackend.Core.Operations;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Worker.Execution;

namespace AiBackend.Tests.Worker;

/// <summary>A key that was refused to one worker is used by none, until an operator has acted.</summary>
public sealed class RefusedKeyJobTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    [Fact]
    public async Task F_28_one_workers_401_ends_the_calls_of_all_alerts_everyone_and_lasts_until_the_key_is_another_or_enabled()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var bad = await simulator.ModelAsync(new { error_rate = 1, error_status = 401 });
        var good = await simulator.ModelAsync(new { words = 2 });
        (Uri, string)[] route = [(simulator.Address, bad), (simulator.Address, good)];
        await using (var first = await WorkerUnderTest.StartAsync(database, redis, route))
        {
            var job = await first.RunJobAsync(CoreHost.Draft());
            Assert.Equal(("completed", 1, "p1"), (job.Status, job.Attempt, job.ServedBy?.Provider));
            await UntilStoredAsync(first, 1);
        }

        await using (var second = await WorkerUnderTest.StartAsync(database, redis, route))
        {
            await UntilAsync(second, "p1", fallbacks: 0);
            Assert.Single(await simulator.CallsAsync(bad, TestRun.Cancel));

            await second.Get<RaiseAlerts>().RunAsync(TestRun.Cancel);
            var alert = Assert.Single(await AlertsOfAsync(database, ApiKeyStore.DefaultTenant));
            Assert.Equal((AlertRules.KeyRefused, null), (alert.Rule, alert.Fingerprint));
            Assert.StartsWith("Provider 'p0' refused its key at ", alert.Message, StringComparison.Ordinal);
            Assert.Equal(alert.Id, Assert.Single(await AlertsOfAsync(database, Guid.CreateVersion7())).Id);

            await simulator.BehaveAsync(bad, new { words = 3 });
            await second.Get<RefusedKeyStore>().RemoveAsync("p0", TestRun.Cancel);
            await UntilAsync(second, "p0", fallbacks: 0);

            // Refused again, and then there is another key.
            await simulator.BehaveAsync(bad, new { error_rate = 1, error_status = 401 });
            await second.RunJobAsync(CoreHost.Draft());
            await UntilStoredAsync(second, 1);
            await simulator.BehaveAsync(bad, new { words = 3 });
        }

        await using var third = await WorkerUnderTest.StartAsync(database, redis, route, [("AIBACKEND_PROVIDERS:0:API_KEY", "sk-another")]);
        Assert.Equal("p0", (await third.RunJobAsync(CoreHost.Draft())).ServedBy?.Provider);
        Assert.Empty(
            await new RefusedKeyAlerts(third.Get<RefusedKeyStore>(), third.Get<Core.Providers.ProviderCatalog>()).FindAsync(TestRun.Cancel)
        );

        // The old key is forgotten a day later, and one that is still configured is not.
        var (store, catalog) = (third.Get<RefusedKeyStore>(), third.Get<Core.Providers.ProviderCatalog>());
        var configured = catalog.Route("default").Single(deployment => deployment.Provider == "p1");
        await store.AddAsync([("p1", configured.KeyId)], TestRun.Cancel);
        var forget = new ForgetRefusedKeys(store, catalog);
        await forget.RunAsync(TestRun.Cancel);
        Assert.Equal(2, (await store.ListAsync(TestRun.Cancel)).Count);
        await third.ExecuteAsync("UPDATE refused_keys SET refused_at = now() - interval '25 hours' WHERE @id IS NOT NULL", Guid.Empty);
        await forget.RunAsync(TestRun.Cancel);
        Assert.Equal("p1", Assert.Single(await store.ListAsync(TestRun.Cancel)).Provider);
    }

    [Fact]
    public async Task F_28_with_no_other_provider_the_job_fails_for_good_and_can_be_replayed_when_the_key_is_mended()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var bad = await simulator.ModelAsync(new { error_rate = 1, error_status = 401 });
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (simulator.Address, bad));

        var first = await worker.RunJobAsync(CoreHost.Draft());
        var second = await worker.RunJobAsync(CoreHost.Draft());

        Assert.Equal(("failed", "provider_auth", 1), (first.Status, first.Error?.Code, first.Attempt));
        Assert.Equal(("failed", "provider_auth", 1), (second.Status, second.Error?.Code, second.Attempt));
        Assert.Single(await simulator.CallsAsync(bad, TestRun.Cancel));
        Assert.Equal(2, await worker.ScalarAsync<long>("SELECT count(*) FROM dead_letters WHERE replayed_by IS NULL"));
    }

    private static Task UntilStoredAsync(CoreHost worker, int keys) =>
        Eventually.TrueAsync(
            async token => (await worker.Get<RefusedKeyStore>().ListAsync(token)).Count == keys,
            "the worker has told the others"
        );

    /// <summary>Until a job is answered by this provider, without another one failing before.</summary>
    private static Task UntilAsync(CoreHost worker, string provider, int fallbacks) =>
        Eventually.TrueAsync(
            async _ =>
                (await worker.RunJobAsync(CoreHost.Draft())).ServedBy is { } served
                && (served.Provider, served.Fallbacks) == (provider, fallbacks),
            $"{provider} answers",
            TimeSpan.FromSeconds(20)
        );

    private static Task<IReadOnlyList<ApiContracts.DeadLetters.Alert>> AlertsOfAsync(TestDatabase database, Guid tenant) =>
        new AlertReads(database.Source).ListAsync(tenant, false, TestRun.Cancel);
}
