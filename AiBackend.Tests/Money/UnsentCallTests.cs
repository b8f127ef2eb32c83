using AiBackend.Core.Admission;
using AiBackend.Core.Jobs;
using AiBackend.Core.Money;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Admission;
using AiBackend.Core.Providers.Circuits;
using AiBackend.Core.Providers.Keys;
using AiBackend.Core.Providers.Telemetry;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Providers;
using Npgsql;

namespace AiBackend.Tests.Money;

/// <summary>A call that was written down and then not sent gives everything back at once, and is not booked as unknown spend.</summary>
public sealed class UnsentCallTests(PostgresServer postgres, RedisServer redis) : IClassFixture<RedisServer>
{
    [Fact]
    public async Task A_call_whose_job_is_cancelled_between_its_reservation_and_its_confirmation_gives_everything_back()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var core = await StartAsync(database);
        var budget = await core.BudgetAsync(1m);
        var job = await core.SpenderAsync();
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        await using var other = await core.Database.OpenConnectionAsync(TestRun.Cancel);
        await using var held = await other.BeginTransactionAsync(TestRun.Cancel);
        var gate = new GateOf(
            core.Get<ICallGate>(),
            async () =>
            {
                Assert.NotEqual(0m, (await core.ReadAsync(budget)).ReservedUsd);
                await using var hold = new NpgsqlCommand("SELECT 1 FROM provider_calls FOR UPDATE", other, held);
                await hold.ExecuteNonQueryAsync(TestRun.Cancel);
            }
        );

        var entering = Door(core, gate).EnterAsync(Spending.Deployment, new CallSize(40, 1000), CallsOf(job), false, cancel.Token).AsTask();
        await Eventually.TrueAsync(
            async _ =>
                await core.ScalarAsync<int>(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%UPDATE provider_calls%' AND pid <> pg_backend_pid()"
                ) == 1,
            "it is being confirmed"
        );
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => entering);
        await held.RollbackAsync(TestRun.Cancel);

        await core.UntilAsync(budget, 0m, 0m);
        Assert.Equal([(CallState.Released, 0m)], await core.CallsAsync(job.Lease.JobId));
        Assert.Equal(0, await core.ScalarAsync<int>("SELECT count(*) FROM usage_days"));
    }

    [Fact]
    public async Task A_call_whose_job_has_passed_on_to_another_owner_before_it_is_confirmed_is_not_sent()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var core = await StartAsync(database);
        var budget = await core.BudgetAsync(1m);
        var job = await core.SpenderAsync();
        var gate = new GateOf(
            core.Get<ICallGate>(),
            async () =>
            {
                await core.ExpireLeaseAsync(job.Lease.JobId);
                Assert.Equal(1, await core.Get<RescueJobs>().RunAsync(TestRun.Cancel));
            }
        );

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
            await Door(core, gate).EnterAsync(Spending.Deployment, new CallSize(40, 1000), CallsOf(job), false, TestRun.Cancel)
        );

        await core.UntilAsync(budget, 0m, 0m);
        Assert.Equal([(CallState.Released, 0m)], await core.CallsAsync(job.Lease.JobId));
    }

    private Task<CoreHost> StartAsync(TestDatabase database) =>
        CoreHost.StartAsync(
            database.ConnectionString,
            redis.ConnectionString,
            builder =>
            {
                builder.AddAdmission();
                builder.AddProviders();
            },
            [
                .. ProviderHost
                    .Entries([new Uri("http://127.0.0.1:9")], _ => "m")
                    .Select(variable => (variable.Key.Replace("__", ":", StringComparison.Ordinal), variable.Value!)),
                CoreHost.PatientWithLocks,
                ("Money:Prices:0:Provider", "p0"),
                ("Money:Prices:0:Model", "m"),
                ("Money:Prices:0:Input", "1"),
                ("Money:Prices:0:Output", "1"),
            ]
        );

    private static DeploymentDoor Door(CoreHost core, ICallGate gate) =>
        new(
            core.Get<RefusedKeys>(),
            core.Get<CircuitBreakers>(),
            core.Get<ICallPace>(),
            gate,
            core.Get<RetryBudgets>(),
            core.Get<ProviderMetrics>()
        );

    private static ChatCalls CallsOf(ClaimedJob job) =>
        new(
            TimeProvider.System,
            new ChatCaller(job.Lease.JobId, job.Lease.Epoch, 1)
            {
                Payer = new CallPayer(job.TenantId, job.KeyId, job.Feature, job.EndUser, job.MaxCostUsd),
            }
        );

    /// <summary>The gate as it is, and what happens after a reservation before the call is sent.</summary>
    private sealed class GateOf(ICallGate gate, Func<Task> between) : ICallGate
    {
        public async ValueTask<CallEntry> EnterAsync(
            ChatDeployment deployment,
            CallSize size,
            ChatCaller caller,
            CancellationToken cancellationToken
        )
        {
            var entry = await gate.EnterAsync(deployment, size, caller, cancellationToken);
            Assert.IsType<CallEntry.Admitted>(entry);
            await between();
            return entry;
        }
    }
}
