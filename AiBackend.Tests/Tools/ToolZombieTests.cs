using System.Globalization;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Tools;

/// <summary>A worker process that is stopped (SIGSTOP) between the calls of tools and their receipts, and goes on when others have done its work.</summary>
public sealed class ToolZombieTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : CoreTests(postgres, redis),
        IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    // All that a job leaves but what its calls cost, which may be corrected late.
    private static readonly string[] Tables = ["job_events", "job_attempts", "job_outputs", "job_tool_calls", "job_waits"];

    // Longer than a slow machine keeps the three calls apart: who loses a lease before is not caught.
    private static readonly (string, string) Patient = ("Worker__LeaseDuration", "00:00:12");

    private readonly RedisServer _redis = redis;

    [Fact]
    public async Task F_5_nothing_counts_that_a_worker_does_which_was_stopped_beyond_its_lease_while_its_tools_answered()
    {
        var model = await simulator.ModelAsync(new { tools = "first", words = 3 });
        await using var receiver = await ToolReceiver.StartAsync();
        var send = ToolSetup.Http(receiver.Url, ToolEffect.Write) with { TimeoutSeconds = 120 };
        var write = await SubmitAsync(model, send with { Name = "write" });
        var verified = await SubmitAsync(model, send with { Name = "verified", VerifyUrl = receiver.VerifyUrl });
        var idempotent = await SubmitAsync(model, send with { Name = "idempotent", Effect = ToolEffect.WriteIdempotent });
        Guid[] all = [write, verified, idempotent];

        // All three have arrived and one is answered: there the process stops itself, before it writes that down. The others are answered while it stands.
        receiver.HoldFor(all.Length);
        using var zombie = await StartAsync(model, receiver, Patient, ("AIBACKEND_FAULT", $"K14[{model}]:stop"));
        await Eventually.TrueAsync(_ => Task.FromResult(IsStopped(zombie)), "the worker is stopped", Patience);
        Assert.Equal(all.Length, receiver.Posted.Count());
        receiver.HoldFor(0);
        foreach (var id in all)
        {
            Assert.Equal(ToolCallState.Sent, (await CallOfAsync(id)).State);
        }

        using (var other = await StartAsync(model, receiver))
        {
            await UntilAsync(write, JobStatus.WaitingForReview);
            await UntilAsync(verified, JobStatus.Completed);
            await UntilAsync(idempotent, JobStatus.Completed);
            other.Signal(Signal.Terminate);
            await other.WaitForExitAsync();
        }

        Assert.True(IsStopped(zombie));
        var (left, sent, asked) = (await LeftByAsync(all), receiver.Calls.Count, (await simulator.CallsAsync(model, TestRun.Cancel)).Count);
        zombie.Signal(Signal.Continue);
        // Nobody else is there: what it does of the others' work it has done by then.
        var own = await Core.SubmitAsync(CoreHost.Draft() with { Model = model });
        await UntilAsync(own, JobStatus.Completed);

        Assert.Equal(left, await LeftByAsync(all));
        Assert.Equal((sent, asked + 1), (receiver.Calls.Count, (await simulator.CallsAsync(model, TestRun.Cancel)).Count));
        // The receiver's own log: what it cannot tell from a repeat came once, and the repeat of the other one under the same name.
        Assert.Equal((1, 1, 2), (SendsOf(receiver, write), SendsOf(receiver, verified), SendsOf(receiver, idempotent)));
        Assert.Equal(all.Length, receiver.Sends.Count);
        Assert.Equal(ToolCallState.OutcomeUnknown, (await CallOfAsync(write)).State);
        var settled = await CallOfAsync(verified);
        Assert.Equal((ToolCallState.Done, receiver.Verdict.Body), (settled.State, settled.Result));
    }

    private static int SendsOf(ToolReceiver receiver, Guid job) => receiver.Posted.Count(call => Guid.Parse(call.Job) == job);

    /// <summary>What the kernel says of it.</summary>
    private static bool IsStopped(WorkerProcess worker)
    {
        var status = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{worker.Id}/stat"));
        return status[(status.LastIndexOf(')') + 2)..].StartsWith('T');
    }

    private async Task<Guid> SubmitAsync(string model, ToolDefinition tool) =>
        await Core.SubmitAsync(ToolSetup.Draft(await Core.AddToolAsync(tool)) with { Model = model });

    private async Task<ToolCall> CallOfAsync(Guid job) => Assert.Single(await Core.ToolCallsAsync(job));

    private Task UntilAsync(Guid job, JobStatus status) =>
        Eventually.TrueAsync(async _ => await Core.StatusAsync(job) == status, $"job {job} is {status}", Patience);

    private Task<string> LeftByAsync(IEnumerable<Guid> jobs)
    {
        var ids = string.Join(',', jobs.Select(job => $"'{job}'"));
        var rows = Tables.Select(table => $"SELECT '{table}' || to_jsonb(t)::text AS line FROM {table} t WHERE t.job_id IN ({ids})");
        return Core.ScalarAsync<string>(
            $"SELECT string_agg(line, E'\\n' ORDER BY line) FROM (SELECT 'jobs' || to_jsonb(t)::text AS line FROM jobs t WHERE t.id IN ({ids}) UNION ALL {string.Join(" UNION ALL ", rows)}) all_rows"
        );
    }

    private Task<WorkerProcess> StartAsync(string model, ToolReceiver receiver, params IEnumerable<(string, string)> settings) =>
        WorkerProcess.StartAsync(
            Db,
            _redis,
            (simulator.Address, model),
            [
                .. WorkerProcess.ShortLeases,
                (receiver.Allowed.Item1.Replace(":", "__", StringComparison.Ordinal), receiver.Allowed.Item2),
                .. settings,
            ]
        );
}
