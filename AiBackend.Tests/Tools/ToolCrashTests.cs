using AiBackend.Core.Jobs;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Tools;

/// <summary>Workers that die between the send of a call and its receipt. The receiver's own log says how often something was done.</summary>
public sealed class ToolCrashTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : CoreTests(postgres, redis),
        IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private readonly RedisServer _redis = redis;

    [Fact]
    public Task I_5_20_kills_between_send_and_receipt_repeat_no_effect() => KillAsync(times: 1, jobs: 20);

    [Fact]
    [Trait("Category", "Long")]
    public Task I_5_200_kills_between_send_and_receipt_repeat_no_effect() => KillAsync(times: 10, jobs: 20);

    [Fact]
    public async Task F_5_a_worker_that_stalls_between_send_and_receipt_and_wakes_up_later_changes_nothing()
    {
        var model = await simulator.ModelAsync(new { tools = "first", words = 3 });
        await using var receiver = await ToolReceiver.StartAsync();
        var tool = await Core.AddToolAsync(ToolSetup.Http(receiver.Url, ToolEffect.Write) with { VerifyUrl = receiver.VerifyUrl });
        var id = await Core.SubmitAsync(ToolSetup.Draft(tool) with { Model = model });
        var lease = (await Core.ClaimAsync(id)).Job.Lease;
        var ledger = new ToolLedger(Core.Database);
        var call = new ToolCall
        {
            Round = 1,
            Position = 0,
            Attempt = 1,
            CallId = "call_0",
            Tool = tool.Name,
            Version = tool.Version,
            Effect = ToolEffect.Write,
            Arguments = """{"to":"a","amount":1}""",
            EffectId = $"{id:N}-1-0",
            State = ToolCallState.Recorded,
        };
        Assert.True(await ledger.RecordAsync(lease, [call], TestRun.Cancel));
        Assert.True(await ledger.MoveAsync(lease, [call with { State = ToolCallState.Sent }], TestRun.Cancel));
        await Core.ExpireLeaseAsync(id);

        await using var worker = await WorkerUnderTest.StartAsync(Db, _redis, [(simulator.Address, model)], [receiver.Allowed]);
        await UntilEndedAsync([id]);
        var late = call with { State = ToolCallState.Done, Result = "late" };

        Assert.False(await ledger.MoveAsync(lease, [late], TestRun.Cancel));
        Assert.False(await ledger.RecordAsync(lease, [late with { Round = 2 }], TestRun.Cancel));
        Assert.Empty(receiver.Posted);
        Assert.Equal(call.EffectId, Assert.Single(receiver.Calls).Key);
        var settled = Assert.Single(await Core.ToolCallsAsync(id));
        Assert.Equal((ToolCallState.Done, receiver.Verdict.Body), (settled.State, settled.Result));
        Assert.Equal(JobStatus.Completed, await Core.StatusAsync(id));
    }

    private async Task KillAsync(int times, int jobs)
    {
        var model = await simulator.ModelAsync(new { tools = "first", words = 3 });
        await using var receiver = await ToolReceiver.StartAsync();
        // Whoever waits for the others waits for long enough.
        var send = ToolSetup.Http(receiver.Url, ToolEffect.Write) with
        {
            TimeoutSeconds = 120,
        };
        PinnedTool[] tools =
        [
            await Core.AddToolAsync(send with { Name = "write" }),
            await Core.AddToolAsync(send with { Name = "verified", VerifyUrl = receiver.VerifyUrl }),
            await Core.AddToolAsync(send with { Name = "idempotent", Effect = ToolEffect.WriteIdempotent }),
            await Core.AddToolAsync(send with { Name = "read", Effect = ToolEffect.Read }),
        ];
        var all = new Dictionary<Guid, PinnedTool>();
        for (var round = 0; round < times; round++)
        {
            List<Guid> ids = [];
            for (var i = 0; i < jobs; i++)
            {
                // Most of them what must not be repeated.
                var tool = tools[i % 8 < 4 ? 0 : i % 4];
                ids.Add(await Core.SubmitAsync(ToolSetup.Draft(tool) with { Model = model }));
                all[ids[^1]] = tool;
            }

            // Nothing is answered before all have arrived: so the kill finds each of them between send and receipt.
            receiver.HoldFor(jobs);
            using (var dying = await StartAsync(model, receiver, ("AIBACKEND_FAULT", $"K14[{model}]:kill")))
            {
                await dying.WaitForExitAsync();
                Assert.True(dying.ExitCode is not 0 and not 134, $"{dying.ExitCode}: {dying.Output}");
                Assert.True(
                    receiver.Posted.Count() >= (round + 1) * jobs,
                    $"{dying.ExitCode}, {receiver.Posted.Count()} sent: {dying.Output}"
                );
            }

            receiver.HoldFor(0);
            using var worker = await StartAsync(model, receiver);
            await UntilEndedAsync(ids);
        }

        Assert.True(receiver.Posted.Count() >= times * jobs);
        var keys = (await Task.WhenAll(all.Keys.Select(Core.ToolCallsAsync)))
            .SelectMany(calls => calls)
            .ToLookup(call => call.EffectId, call => call.Tool);
        foreach (var sends in receiver.Posted.GroupBy(call => call.Key))
        {
            var tool = Assert.Single(keys[sends.Key]);
            // What may be sent again is, by the same name, each time a worker dies or a slow one loses its lease.
            Assert.True(tool is "idempotent" or "read" || sends.Count() == 1, $"{tool} was sent {sends.Count()} times as {sends.Key}.");
            Assert.Single(sends.Select(call => call.Body).Distinct(StringComparer.Ordinal));
        }

        // A few receipts may be written while the process dies; what has none waits for a person, and everything else is complete.
        var statuses = await Task.WhenAll(
            all.Select(async job =>
                (
                    Tool: job.Value.Name,
                    Status: await Core.StatusAsync(job.Key),
                    Why: await Core.ScalarAsync<string>(
                        "SELECT coalesce(error_code || ': ' || error_message, '') FROM jobs WHERE id = @id",
                        job.Key
                    )
                )
            )
        );
        Assert.All(
            statuses,
            job => Assert.True(job.Status == JobStatus.Completed || (job is ("write", JobStatus.WaitingForReview, _)), $"{job}")
        );
        // Each kill found at least the call that it was for without a receipt: sent again, asked about, or decided by a person.
        var (again, asked) = (receiver.Posted.Count() - times * jobs, receiver.Calls.Count(call => call.Path == "/verify"));
        Assert.True(again + asked + statuses.Count(job => job.Status == JobStatus.WaitingForReview) >= times);
    }

    private Task UntilEndedAsync(IReadOnlyList<Guid> ids) =>
        Eventually.TrueAsync(
            async _ =>
            {
                foreach (var id in ids)
                {
                    if (await Core.StatusAsync(id) is not (JobStatus.Completed or JobStatus.WaitingForReview or JobStatus.Failed))
                    {
                        return false;
                    }
                }

                return true;
            },
            "the jobs end or wait for a person",
            TimeSpan.FromSeconds(90)
        );

    private Task<WorkerProcess> StartAsync(string model, ToolReceiver receiver, params IEnumerable<(string, string)> settings) =>
        WorkerProcess.StartAsync(
            Db,
            _redis,
            (simulator.Address, model),
            [
                ("Worker__MaxConcurrentJobs", "32"),
                .. WorkerProcess.ShortLeases,
                (receiver.Allowed.Item1.Replace(":", "__", StringComparison.Ordinal), receiver.Allowed.Item2),
                .. settings,
            ]
        );
}
