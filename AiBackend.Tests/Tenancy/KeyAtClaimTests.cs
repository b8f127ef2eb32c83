using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Tenancy;

/// <summary>What a key may do counts when its job runs, and not only when it was submitted.</summary>
public sealed class KeyAtClaimTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    [Theory]
    [InlineData("revoked_at = now()", "failed", "key_revoked")]
    [InlineData("revoked_at = (SELECT min(created_at) FROM jobs) - interval '14 s'", "failed", "key_revoked")]
    [InlineData("revoked_at = (SELECT min(created_at) FROM jobs) - interval '1 minute'", "completed", null)]
    [InlineData("allowed_models = '{other}'", "failed", "model_not_allowed")]
    [InlineData("expires_at = now()", "completed", null)]
    [InlineData("allowed_models = '{d*}'", "completed", null)]
    public async Task A_78_a_key_that_is_revoked_or_bound_between_submission_and_claim_runs_no_job(
        string change,
        string status,
        string? code
    )
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { output_tokens = 3 });
        var key = ApiKey.Create(live: false);
        Guid id;
        await using (var core = await CoreHost.StartAsync(database.ConnectionString, redis.ConnectionString))
        {
            await core.Get<ApiKeyStore>().AddAsync(key, ApiKeyStore.DefaultTenant, "k", ["*"], TestRun.Cancel);
            id = await core.SubmitAsync(CoreHost.Draft() with { KeyId = key.Id });
        }

#pragma warning disable CA2100 // Constants of this file.
        await using var update = database.Source.CreateCommand($"UPDATE api_keys SET {change} WHERE key_id = '{key.Id}'");
#pragma warning restore CA2100
        await update.ExecuteNonQueryAsync(TestRun.Cancel);
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (simulator.Address, model));

        var job = await Eventually.GetAsync(
            token => worker.Reads.FindAsync(ApiKeyStore.DefaultTenant, id, token),
            job => job!.Status == status,
            $"it is {status}"
        );

        Assert.Equal(code, job!.Error?.Code);
        Assert.Equal(code is null ? 1 : 0, (await simulator.CallsAsync(model, TestRun.Cancel)).Count);
    }

    [Fact]
    public async Task A_78_a_replay_by_another_key_of_a_job_whose_key_was_revoked_before_runs()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { output_tokens = 3 });
        var key = ApiKey.Create(live: false);
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (simulator.Address, model));
        await worker.Get<ApiKeyStore>().AddAsync(key, ApiKeyStore.DefaultTenant, "k", ["*"], TestRun.Cancel);
        await using var update = database.Source.CreateCommand($"UPDATE api_keys SET revoked_at = now() - interval '1 hour'");
        await update.ExecuteNonQueryAsync(TestRun.Cancel);

        var job = await worker.RunJobAsync(CoreHost.Draft() with { KeyId = key.Id });

        Assert.Equal("completed", job.Status);
    }
}
