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
    private const int JobsOfRound = 24;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private readonly RedisServer _redis = redis;

    [Fact]
    public Task I_5_a_kill_between_send_and_receipt_of_24_calls_repeats_no_effect() => KillAsync(kills: 1, together: 1);

    [Fact]
    [Trait("Category", "Long")]
    public Task I_5_200_kills_between_send_and_receipt_repeat_no_effect() => KillAsync(kills: 200, together: 4);

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

    /// <param name="kills">How many processes have to die with calls between send and receipt.</param>
    /// <param name="together">How many die in a round, each with its share of the calls.</param>
    private async Task KillAsync(int kills, int together)
    {
        var slots = JobsOfRound / together;
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
        var all = new Dictionary<Guid, string>();
        var caught = new List<(Guid Job, ToolCall Call)>();
        var killed = 0;
        for (var round = 0; killed < kills; round++)
        {
            Assert.True(round < 2 * kills / together + 2, $"Only {killed} processes were killed with open calls in {round} rounds.");
            List<Guid> ids = [];
            for (var i = 0; i < JobsOfRound; i++)
            {
                // Most of them what must not be repeated.
                var tool = tools[i % 8 < 4 ? 0 : i % 4];
                ids.Add(await Core.SubmitAsync(ToolSetup.Draft(tool) with { Model = model }));
                all[ids[^1]] = tool.Name;
            }

            // All arrive, and one is answered: its process dies before it writes that down, while all others have no answer yet.
            receiver.HoldFor(JobsOfRound);
            await DieAsync(together, slots);
            var open = await OpenCallsAsync(ids, receiver);
            caught.AddRange(open);
            // So many that each process had one. A machine that stops for seconds may take some of their leases before.
            killed += open.Count > JobsOfRound - slots ? together : 0;

            await Core.BuryAsync();
            receiver.HoldFor(0);
            using var worker = await StartAsync(model, receiver);
            await UntilEndedAsync(ids);
        }

        AssertEffects(all, receiver);
        await AssertEndsAsync(all, caught, receiver);

        async Task DieAsync(int processes, int jobsOfEach)
        {
            var dying = await Task.WhenAll(
                Enumerable
                    .Range(0, processes)
                    .Select(_ =>
                        StartAsync(
                            model,
                            receiver,
                            ("AIBACKEND_FAULT", $"K14[{model}]:kill"),
                            ("Worker__MaxConcurrentJobs", $"{jobsOfEach}")
                        )
                    )
            );
            try
            {
                await Task.WhenAny(dying.Select(each => each.WaitForExitAsync())).WaitAsync(Patience, TestRun.Cancel);
            }
            catch (TimeoutException)
            {
                // Whoever lost its lease on the way does not arrive any more: what did arrive is caught all the same.
            }

            foreach (var each in dying)
            {
                using (each)
                {
                    each.Signal(Signal.Kill);
                    await each.WaitForExitAsync();
                    Assert.True(each.ExitCode is not 0 and not 134, $"{each.ExitCode}: {each.Output}");
                }
            }
        }
    }

    /// <summary>Calls that the receiver has and the ledger has no receipt of.</summary>
    private async Task<IReadOnlyList<(Guid Job, ToolCall Call)>> OpenCallsAsync(IReadOnlyList<Guid> ids, ToolReceiver receiver)
    {
        var sent = receiver.Posted.Select(call => call.Key).ToHashSet(StringComparer.Ordinal);
        var open = new List<(Guid, ToolCall)>();
        foreach (var id in ids)
        {
            open.AddRange(
                from call in await Core.ToolCallsAsync(id)
                // What only reads is sent without a word before.
                where call.State is ToolCallState.Recorded or ToolCallState.Sent && sent.Contains(call.EffectId)
                select (id, call)
            );
        }

        return open;
    }

    /// <summary>The receiver counts by job: a second effect under another key would be one too.</summary>
    private static void AssertEffects(Dictionary<Guid, string> all, ToolReceiver receiver)
    {
        var jobs = receiver.Posted.ToLookup(call => Guid.Parse(call.Job));
        foreach (var sends in jobs)
        {
            var (tool, keys) = (all[sends.Key], sends.Select(call => call.Key).Distinct(StringComparer.Ordinal).ToList());
            Assert.True(keys.Count == 1, $"The job {sends.Key} called {tool} as {string.Join(", ", keys)}.");
            // What may be sent again is, by the same name, each time a worker dies or a slow one loses its lease.
            Assert.True(tool is "idempotent" or "read" || sends.Count() == 1, $"{tool} was sent {sends.Count()} times as {keys[0]}.");
            Assert.Single(sends.Select(call => call.Body).Distinct(StringComparer.Ordinal));
        }

        Assert.Equal(jobs.Count, receiver.Posted.DistinctBy(call => call.Key).Count());
    }

    /// <summary>What may not be sent again waits for a person or asks its tool; everything else is sent again, and complete.</summary>
    private async Task AssertEndsAsync(Dictionary<Guid, string> all, IReadOnlyList<(Guid Job, ToolCall Call)> caught, ToolReceiver receiver)
    {
        foreach (var (id, tool) in all)
        {
            var status = await Core.StatusAsync(id);
            var why = await Core.ScalarAsync<string>(
                "SELECT coalesce(error_code || ': ' || error_message, '') FROM jobs WHERE id = @id",
                id
            );
            Assert.True(
                status == JobStatus.Completed || (tool, status) == ("write", JobStatus.WaitingForReview),
                $"{id}, {tool}: {status}, {why}"
            );
        }

        foreach (var (job, call) in caught)
        {
            Assert.True(
                call.Tool switch
                {
                    "write" => await Core.StatusAsync(job) == JobStatus.WaitingForReview,
                    "verified" => receiver.Calls.Any(asked => (asked.Path, asked.Key) == ("/verify", call.EffectId)),
                    _ => receiver.Posted.Count(sent => sent.Key == call.EffectId) > 1,
                },
                $"{job}: nobody has found that {call.Tool} had no receipt."
            );
        }
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
            Patience
        );

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
