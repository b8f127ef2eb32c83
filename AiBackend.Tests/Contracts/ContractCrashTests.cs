using AiBackend.ApiContracts.Contracts;
using AiBackend.Core.Jobs;
using AiBackend.Core.Money;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Chaos;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Money;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Contracts;

/// <summary>Workers that die while an answer is laid beside its contract and its model is asked again.</summary>
public sealed class ContractCrashTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : CoreTests(postgres, redis),
        IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private const string Invoice =
        """{"type":"object","properties":{"total":{"type":"number","minimum":1},"paid":{"type":"boolean"}},"required":["total","paid"]}""";

    private readonly RedisServer _redis = redis;

    // The first answer is there and nobody has looked; the second call is in the ledger; the provider has it; its answer is there.
    [Theory]
    [InlineData("K11", 1, 1, 0)]
    [InlineData("K8", 2, 1, 1)]
    [InlineData("K9", 2, 2, 0)]
    [InlineData("K11", 2, 2, 0)]
    public async Task F_2_a_worker_killed_before_its_model_has_mended_its_answer_leaves_one_result_one_verdict_and_no_call_too_many(
        string point,
        int hit,
        int sent,
        int unsent
    )
    {
        var model = await simulator.ModelAsync(new { json = "wrong_once" });
        var budget = await Core.BudgetAsync(1m);
        var id = await Core.SubmitAsync(
            CoreHost.Draft() with
            {
                Model = model,
                Terms = new JobTerms { Contract = Contract.OfSchema(Invoice) }.ToColumn(),
                InputVersion = JobSchema.Terms,
            }
        );
        string output;
        using (var dying = await StartAsync(model, ("AIBACKEND_FAULT", $"{point}[{model}]:kill@{hit}")))
        {
            await dying.WaitForExitAsync();
            output = $"{dying.ExitCode}: {dying.Output}";
            Assert.True(dying.ExitCode is not 0 and not 134, output);
        }

        var left = await Core.StatusAsync(id);
        Assert.True(left == JobStatus.Processing, $"The job is {left}. {output}");
        Assert.Equal(sent, (await simulator.CallsAsync(model, TestRun.Cancel)).Count);
        await Core.BuryAsync();

        using var worker = await StartAsync(model);
        await Eventually.TrueAsync(async _ => (await Core.StatusAsync(id)).IsTerminal(), "the job has ended", TimeSpan.FromSeconds(60));
        await Eventually.TrueAsync(
            async _ => await Core.ScalarAsync<int>("SELECT count(*) FROM provider_calls WHERE state IN (0, 1)") == 0,
            "all calls are settled",
            TimeSpan.FromSeconds(60)
        );

        var job = (await Core.Reads.FindAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel))!;
        Assert.True(job.Status == "completed", $"{job.Status}: {job.Error?.Message}");
        Assert.Equal(1, job.Output!.Json!.Value.GetProperty("total").GetDecimal());
        Assert.Equal((true, false, 1), (job.Contract!.Valid, job.Contract.FirstPass, job.Contract.Repairs));
        Assert.Equal(1, await Core.ScalarAsync<int>("SELECT crash_count FROM jobs WHERE id = @id", id));
        // Of the attempt that died nothing is kept but that it did.
        var attempts = (await new JobTraces(Core.Database).FindAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel))!.Attempts;
        Assert.Equal(
            [Verdicts.Schema, Verdicts.Valid],
            Assert.Single(attempts, attempt => attempt.Checks.Count > 0).Checks.Select(check => check.Verdict)
        );
        // Who reads along ends with that text, once, and not with what was written before it.
        var fold = new EventFold();
        foreach (var (seq, kind, data) in await Core.EventsAsync(id))
        {
            fold.Take(seq, kind.ToWire(), data);
        }

        Assert.Equal((job.Output.Text, 1), (fold.Text, fold.Finals));

        // Whoever takes the job over asks twice, as one does who was not killed.
        var received = await simulator.CallsAsync(model, TestRun.Cancel);
        Assert.Equal(sent + 2, received.Count);
        var calls = await Core.CallsAsync(id);
        var told = string.Join(", ", calls.Select(call => $"{call.State} {call.Cost}"));
        Assert.True(
            (unsent, sent + 2)
                == (
                    calls.Count(call => call.State == CallState.Released),
                    calls.Count(call => call.State is CallState.Settled or CallState.Unknown)
                ),
            $"{told}; {output}"
        );
        Assert.Equal(sent + 2, await Core.ScalarAsync<int>("SELECT sum(calls) FROM usage_days"));
        Assert.Equal(
            2,
            received.Count(call => call.GetProperty("request_id").GetString()!.StartsWith($"{id}-2-", StringComparison.Ordinal))
        );
        await Core.UntilAsync(budget, calls.Sum(call => call.Cost!.Value), 0m);
    }

    private Task<WorkerProcess> StartAsync(string model, params IEnumerable<(string, string)> settings) =>
        WorkerProcess.StartAsync(
            Db,
            _redis,
            (simulator.Address, model),
            [.. WorkerProcess.ShortLeases, .. WorkerProcess.PricesOf(model), .. settings]
        );
}
