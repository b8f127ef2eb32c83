using System.Net;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tools;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Tools;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Workflows;

/// <summary>Steps that say themselves how long they wait between their tries.</summary>
public sealed class BackoffStepTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    // Far longer than usual: what waits as usual is seen. The third wait is bounded.
    private const string Backoff = """
        "max_attempts":4,"backoff":{"initial_seconds":600,"max_seconds":3000,"factor":3}
        """;

    private static readonly int[] Bounds = [600, 1800, 3000];

    [Fact]
    public async Task A_chat_that_fails_waits_as_its_step_says_longer_each_time_up_to_the_bound()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { error_rate = 1, error_status = 503 });
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (simulator.Address, model));

        await worker.SubmitAsync(Run("""{"name":"a","type":"chat","messages":[{"role":"user","content":"Hi"}],BACKOFF}""", "{}"));

        await AssertWaitsAsync(worker);
    }

    [Fact]
    public async Task A_tool_that_fails_waits_as_its_step_says_also_for_each_item_of_a_map()
    {
        await using var receiver = await ToolReceiver.StartAsync();
        receiver.Answer = (HttpStatusCode.Conflict, "no");
        await using var worker = await receiver.StartWorkerAsync(postgres, redis, simulator);
        var tool = await worker.AddToolAsync(ToolSetup.Http(receiver.Url, ToolEffect.Read));

        await worker.SubmitAsync(
            Run(
                """
                {"name":"a","type":"map","over":"{{input.all}}",
                 "step":{"type":"tool","tool":"send","arguments":{"to":"{{item}}","amount":2},BACKOFF} }
                """,
                """{"all":["a"]}""",
                tool
            )
        );

        await AssertWaitsAsync(worker);
    }

    private static JobDraft Run(string step, string input, params PinnedTool[] tools) =>
        RunDraft.Of("{\"steps\":[" + step.Replace("BACKOFF", Backoff, StringComparison.Ordinal) + "]}", input, null, tools);

    /// <summary>Lets each wait be over as soon as it was seen, and the job fails when its tries are used up.</summary>
    private static async Task AssertWaitsAsync(CoreHost worker)
    {
        for (var failure = 1; failure <= Bounds.Length; failure++)
        {
            await Eventually.TrueAsync(
                async _ => await CountAsync(worker, $"type <> 3 AND status = 5 AND attempt = {failure}") == 1,
                $"failure {failure}"
            );
            var step = await worker.ScalarAsync<Guid>("SELECT id FROM jobs WHERE type <> 3");
            var job = (await worker.Reads.FindAsync(step, TestRun.Cancel))!;
            var failedAt = await worker.ScalarAsync<DateTime>("SELECT max(ended_at) FROM job_attempts WHERE job_id = @id", step);
            var bound = Bounds[failure - 1];
            Assert.InRange((job.NextAttemptAt!.Value.UtcDateTime - failedAt).TotalSeconds, bound / 2d, bound);
            await worker.ExecuteAsync("UPDATE jobs SET due_at = now() WHERE id = @id", step);
        }

        await Eventually.TrueAsync(async _ => await CountAsync(worker, "type <> 3 AND status = 8") == 1, "no more tries");
    }

    private static Task<long> CountAsync(CoreHost worker, string condition) =>
        worker.ScalarAsync<long>($"SELECT count(*) FROM jobs WHERE {condition}");
}
