using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Providers;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Providers;
using AiBackend.Tests.Simulator;

namespace AiBackend.Tests.Worker;

/// <summary>Failures are data: every attempt keeps what is known of it however it ended, and retries are bounded and visible.</summary>
public sealed class AttemptRecordTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private static readonly object Down = new { error_rate = 1, error_status = 503 };

    [Fact]
    public async Task The_trace_shows_every_provider_call_of_an_attempt_with_its_error()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await StartAsync(
            database,
            await simulator.ModelAsync(Down),
            await simulator.ModelAsync(new { words = 4 })
        );
        var draft = CoreHost.Draft();

        await worker.RunJobAsync(draft);

        var attempt = Assert.Single((await TraceAsync(worker, draft.Id)).Attempts);
        Assert.Equal(["p0:provider_unavailable", "p1:"], attempt.Calls.Select(call => $"{call.Provider}:{call.Error?.Code}"));
        Assert.Equal(("transient", true), (attempt.Calls[0].Error!.Class, attempt.Calls[0].Error!.Retryable));
        Assert.Equal(attempt.Usage, attempt.Calls[1].Usage);
        Assert.InRange(attempt.Calls[1].AfterSeconds, attempt.Calls[0].AfterSeconds + attempt.Calls[0].Seconds, 60);
    }

    [Fact]
    public async Task The_usual_attempt_of_one_call_has_it_in_its_trace_and_pays_no_second_record()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await StartAsync(database, await simulator.ModelAsync(new { words = 4 }));
        var draft = CoreHost.Draft();

        await worker.RunJobAsync(draft);

        var attempt = Assert.Single((await TraceAsync(worker, draft.Id)).Attempts);
        var call = Assert.Single(attempt.Calls);
        Assert.Equal((attempt.Provider, attempt.ModelVersion, attempt.Usage), (call.Provider, call.ModelVersion, call.Usage));
        Assert.Equal(0, await worker.ScalarAsync<long>("SELECT count(*) FROM job_attempts WHERE calls IS NOT NULL"));
    }

    [Fact]
    public async Task Tokens_that_the_model_thought_are_told_apart_in_the_job_its_attempt_its_call_and_its_log()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var thinker = new RawProvider(
            RawReply.Stream(
                Wire.Answer(Wire.OpenAi, "Hi")
                    .Replace(
                        "\"completion_tokens\":5",
                        "\"completion_tokens\":5,\"completion_tokens_details\":{\"reasoning_tokens\":3}",
                        StringComparison.Ordinal
                    )
            )
        );
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (thinker.Address, "m"));

        var job = await worker.RunJobAsync(CoreHost.Draft());

        Assert.Equal((5L, 3L), (job.Usage!.OutputTokens, job.Usage.ReasoningTokens));
        var attempt = Assert.Single((await TraceAsync(worker, job.Id)).Attempts);
        Assert.Equal((3L, 3L), (attempt.Usage!.ReasoningTokens, attempt.Calls[0].Usage!.ReasoningTokens));
        var listed = Assert.Single(await worker.Reads.ListAsync(ApiKeyStore.DefaultTenant, new JobFilter { Limit = 10 }, TestRun.Cancel));
        Assert.Equal(3L, listed.Usage!.ReasoningTokens);
        var usage = (await worker.EventsAsync(job.Id)).Single(record => record.Kind == JobEventKind.Usage);
        Assert.Contains("\"reasoning_tokens\":3", usage.Data, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_attempt_that_is_cut_off_keeps_provider_model_version_and_times()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await StartAsync(database, await simulator.ModelAsync(new { words = 1000, interval_ms = 20 }));
        var id = await worker.SubmitAsync();
        await Eventually.TrueAsync(async _ => (await worker.EventsAsync(id)).Any(each => each.Kind == JobEventKind.Delta), "it writes");

        await worker.Get<CancelJob>().RunAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel);

        await Eventually.TrueAsync(async _ => await worker.StatusAsync(id) == JobStatus.Cancelled, "it is cancelled");
        var attempt = Assert.Single((await TraceAsync(worker, id)).Attempts);
        Assert.Equal(("cancelled", "p0", null), (attempt.Outcome, attempt.Provider, attempt.Error));
        Assert.NotNull(attempt.ModelVersion);
        Assert.InRange(attempt.FirstTokenAt!.Value, attempt.StartedAt, attempt.EndedAt!.Value);
    }

    [Fact]
    public async Task I_13_a_job_costs_at_most_the_product_of_the_retry_layers()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(Down);
        await using var worker = await StartAsync(database, model, model);
        var draft = CoreHost.Draft() with { MaxAttempts = JobDraft.DefaultMaxAttempts };
        await worker.SubmitAsync(draft);

        await worker.UntilAsync(async () => await worker.StatusAsync(draft.Id) == JobStatus.Failed, "it has failed for good");

        var route = worker.Get<ProviderCatalog>().Route(draft.Model).Count;
        Assert.Equal(
            ProviderCatalog.TriesPerCall * route * JobDraft.DefaultMaxAttempts,
            (await simulator.CallsAsync(model, TestRun.Cancel)).Count
        );
        var attempts = (await TraceAsync(worker, draft.Id)).Attempts;
        Assert.All(attempts, attempt => Assert.Equal(("failed", route), (attempt.Outcome, attempt.Calls.Count)));
    }

    [Fact]
    public async Task F_24_calls_to_a_provider_that_always_fails_stay_within_its_budget_and_jobs_wait_with_their_tries_until_it_is_well()
    {
        const int Jobs = 40;
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(Down);
        // The budget alone: it must hold also where no breaker opens.
        await using var worker = await WorkerUnderTest.StartAsync(
            database,
            redis,
            [(simulator.Address, model)],
            [("CircuitBreaker:MinimumCalls", "10000")]
        );
        var began = TimeProvider.System.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, Jobs).Select(_ => worker.SubmitAsync(CoreHost.Draft() with { MaxAttempts = 20 })));

        // Far more looks than there are tokens.
        await worker.UntilAsync(
            async () => await worker.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE attempt >= 4") == Jobs,
            "all were looked at several times"
        );

        var calls = (await simulator.CallsAsync(model, TestRun.Cancel)).Count;
        var trickled = TimeProvider.System.GetElapsedTime(began) / RetryBudget.Trickle;
        Assert.InRange(calls, Jobs + 1, (1 + RetryBudget.Ratio) * Jobs + RetryBudget.Floor + trickled);
        Assert.Equal(0, await worker.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE status NOT IN (1, 2, 5)"));
        await simulator.BehaveAsync(model, new { words = 2 });
        await worker.UntilAsync(
            async () => await worker.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE status = 6") == Jobs,
            "all are done once the provider is well"
        );
    }

    [Fact]
    public async Task I_13_an_attempt_that_asked_anybody_counts_also_when_another_provider_was_left_out()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(Down);
        await using var worker = await StartAsync(database, model, model);
        Spend(worker, "p1");

        var id = await worker.SubmitAsync(CoreHost.Draft() with { MaxAttempts = 2 });
        await worker.UntilAsync(
            async () =>
            {
                Spend(worker, "p1");
                return await worker.StatusAsync(id) == JobStatus.Failed;
            },
            "its tries are used up"
        );

        Assert.Equal(2, (await simulator.CallsAsync(model, TestRun.Cancel)).Count);
        Assert.Equal("provider_unavailable", (await JobAsync(worker, id)).Error!.Code);
    }

    [Fact]
    public async Task A_job_that_waits_for_a_retry_budget_says_so_and_keeps_its_try()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await StartAsync(database, await simulator.ModelAsync(Down));
        Spend(worker, "p0");

        var id = await worker.SubmitAsync(CoreHost.Draft() with { MaxAttempts = 2 });
        Job job = null!;
        await worker.UntilAsync(
            async () =>
            {
                Spend(worker, "p0");
                return (job = await JobAsync(worker, id)).Queue?.WaitingReason == "retry_budget:p0";
            },
            "it waits and says why"
        );

        Assert.Equal(("retrying", "retry_budget_spent"), (job.Status, job.Error!.Code));
        Assert.NotNull(job.NextAttemptAt);
        // While it looks again, the look is not excused yet.
        await Eventually.TrueAsync(
            async _ =>
                await worker.ScalarAsync<bool>("SELECT attempt - excused = 1 AND status = 5 AND attempt > 1 FROM jobs WHERE id = @id", id),
            "it keeps its try"
        );
        var trace = await TraceAsync(worker, id);
        Assert.Equal(["failed", "interrupted"], trace.Attempts.Take(2).Select(attempt => attempt.Outcome));
        Assert.Equal(["retry_budget_spent"], trace.Attempts[1].Calls.Select(call => call.Error!.Code));
    }

    /// <summary>All that a provider may be asked again; now and then there is one more.</summary>
    private static void Spend(CoreHost worker, string provider)
    {
        while (worker.Get<RetryBudgets>().MayCall(provider, isRetry: true))
        {
            // Until it is spent.
        }
    }

    private async Task<CoreHost> StartAsync(TestDatabase database, params string[] models) =>
        await WorkerUnderTest.StartAsync(database, redis, [.. models.Select(model => (simulator.Address, model))]);

    private static async Task<JobTrace> TraceAsync(CoreHost worker, Guid id) =>
        (await worker.Get<JobTraces>().FindAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel))!;

    private static async Task<Job> JobAsync(CoreHost worker, Guid id) => (await worker.Reads.FindAsync(id, TestRun.Cancel))!;
}
