using System.Text.Json;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Workflows;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Workflows;

/// <summary>Workers that die around each kind of step: what has ended by then stays as it is, and its model is not asked again.</summary>
public sealed class StepCrashTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : CoreTests(postgres, redis),
        IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    // The timer last, and its time is over when the worker is dead: nobody has taken it in before.
    private static readonly string[] Gates = ["review", "event", "timer"];

    private const string Edited = """{"total":2}""";

    // One step after another, so that what was done is told from what is yet to do by the calls of their model.
    private const string Chats = """
        {"steps":[
          {"name":"one","type":"chat","messages":[{"role":"user","content":"One NAME"}]},
          GATE,
          {"name":"two","type":"chat","messages":[{"role":"user","content":"Two NAME"}],"after":["gate"]}],
         "output":"OUTPUT"}
        """;

    private const string Review = """{"name":"gate","type":"review","question":"{{steps.one}}","value":{"total":1},"after":["one"]}""";

    private const string Map = """
        {"steps":[{"name":"each","type":"map","over":"{{input}}","concurrency":2,
                   "step":{"type":"chat","messages":[{"role":"user","content":"Item {{item}}"}]} }],
         "output":"{{steps.each}}"}
        """;

    private const string Rerunnable = """
        {"steps":[
          {"name":"read","type":"chat","messages":[{"role":"user","content":"Read {{input.text}}"}]},
          {"name":"side","type":"map","over":"{{input.items}}","step":{"type":"chat","messages":[{"role":"user","content":"Side {{item}}"}]} },
          {"name":"write","type":"chat","messages":[{"role":"user","content":"Write {{steps.read}}"}]}],
         "output":"{{steps.write}}"}
        """;

    // A step as it ended, and how often its job was tried. What has ended once is the same line ever after.
    private const string Ended = """
        SELECT coalesce(string_agg(concat_ws(' ', s.name, s.item, s.job_id, s.state, md5(s.output), s.ended_at,
                                             (SELECT count(*) FROM job_attempts a WHERE a.job_id = s.job_id)), E'\n' ORDER BY s.name, s.item), '')
          FROM workflow_steps s WHERE s.run_id = @id AND s.ended_at IS NOT NULL
        """;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private readonly RedisServer _redis = redis;

    // What has ended and begun is written down; a call is about to leave; the outcome of an item is stored, and the queue not told.
    [Theory]
    [InlineData("K15[w]:kill@3")]
    [InlineData("K8[{0}]:kill@4")]
    [InlineData("K12[default]:kill@3")]
    public async Task I_19_items_of_a_map_that_were_done_when_a_worker_died_are_not_done_again(string fault)
    {
        var model = await simulator.ModelAsync(new { words = 3 });
        var run = RunDraft.Of(Map, """["a","b","c","d","e","f"]""") with { Model = model };
        await Core.SubmitAsync(run);

        await DeathAsync(model, fault.Replace("{0}", model, StringComparison.Ordinal));
        var before = await EndedAsync(run.Id);
        var asked = await AskedAsync(model);
        await FinishAsync(model, run.Id);

        Assert.InRange(before.Count, 1, 5);
        await AssertUnchangedAsync(run.Id, before);
        using var output = JsonDocument.Parse((await Core.Reads.FindAsync(run.Id, TestRun.Cancel))!.Output!.Text);
        Assert.Equal(6, output.RootElement.GetArrayLength());
        Assert.All(output.RootElement.EnumerateArray(), item => Assert.NotEqual("", item.GetString()));
        Assert.Equal(7, await Core.ScalarAsync<int>("SELECT count(*) FROM jobs"));
        Assert.Equal(6, await Core.ScalarAsync<int>("SELECT count(*) FROM job_attempts WHERE outcome = 1 AND job_id <> @id", run.Id));
        // Whoever follows asks about those alone that had not ended.
        var again = (await AskedAsync(model)).Skip(asked.Count).ToList();
        Assert.Equal(again.Count, again.Distinct(StringComparer.Ordinal).Count());
        var items = before.Where(line => !line.StartsWith("each -1 ", StringComparison.Ordinal)).Select(line => line.Split(' ')[1]);
        Assert.DoesNotContain(again, text => items.Any(item => text == $"Item {(char)('a' + item[0] - '0')}"));
    }

    // Whoever is to wait for it dies as it comes, or whoever takes it in.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task I_19_a_step_that_waits_ends_once_whoever_dies_as_it_ends(bool diesTakingIt)
    {
        var model = await simulator.ModelAsync(new { words = 3 });
        var runs = Gates.ToDictionary(gate => gate, gate => RunDraft.Of(gate, DefinitionOf(gate), "{}") with { Model = model });
        using (var waits = await StartAsync(model))
        {
            foreach (var (gate, run) in runs)
            {
                await Core.SubmitAsync(run);
                await UntilWaitingAsync(run.Id, gate);
            }

            var ending = diesTakingIt ? Task.FromResult<bool[]>([]) : Task.WhenAll(runs.Select(run => EndAsync(run.Value.Id, run.Key)));
            waits.Signal(Signal.Kill);
            Assert.All(await ending, isTaken => Assert.True(isTaken));
            await waits.WaitForExitAsync();
        }

        await Core.BuryAsync();
        await RingAsync(runs["timer"].Id);
        var due = await DueAsync(runs["timer"].Id);
        var before = new Dictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal);
        // And here first: it ends by itself for whoever comes.
        foreach (var (gate, run) in runs.Reverse())
        {
            before[gate] = diesTakingIt
                ? await DieTakingAsync(model, run.Id, gate, before.Keys.Select(each => runs[each].Id))
                : await EndedAsync(run.Id);
        }

        await FinishAsync(model, [.. runs.Values.Select(each => each.Id)]);

        foreach (var (gate, run) in runs)
        {
            await AssertUnchangedAsync(run.Id, before[gate]);
            var asked = (await AskedAsync(model)).Where(text => text.EndsWith(gate, StringComparison.Ordinal)).ToList();
            // Whoever dies as it comes may have gone on already, and what had not ended then is done by whoever follows.
            Assert.Equal([$"One {gate}", $"Two {gate}"], diesTakingIt ? asked : asked.Distinct(StringComparer.Ordinal));
            Assert.Single(asked, text => text == $"One {gate}");
            Assert.False(gate != "timer" && await EndAsync(run.Id, gate), "It could be ended a second time.");
            Assert.True(!diesTakingIt || await Core.ScalarAsync<int>("SELECT crash_count FROM jobs WHERE id = @id", run.Id) == 1);
            if (gate != "timer")
            {
                Assert.Equal("2", (await Core.Reads.FindAsync(run.Id, TestRun.Cancel))!.Output!.Text);
            }
        }

        // The time is that of the step's begin, and not begun anew by whoever follows.
        Assert.Equal(due, await DueAsync(runs["timer"].Id));
        Assert.True(
            await Core.ScalarAsync<bool>(
                "SELECT ended_at >= due_at FROM workflow_steps WHERE name = 'gate' AND run_id = @id",
                runs["timer"].Id
            )
        );
    }

    [Fact]
    public async Task I_19_a_run_that_goes_on_from_a_step_does_nothing_again_that_it_took_over_whoever_dies()
    {
        var model = await simulator.ModelAsync(new { words = 3 });
        var first = RunDraft.Of(Rerunnable, """{"text":"a","items":["x","y"]}""") with { Model = model };
        await Core.SubmitAsync(first);
        await FinishAsync(model, first.Id);
        var asked = (await AskedAsync(model)).Count;
        Assert.Equal(4, asked);
        var next = RunDraft.Of(Rerunnable, """{"text":"a","items":["x","y"]}""") with { Model = model };
        next = next with { Input = (RunInput.Read(next.Input) with { TakenOver = new(first.Id, ["read", "side"], Nothing) }).ToJson() };
        await Core.SubmitAsync(next);

        await DeathAsync(model, "K15[w]:kill");
        var taken = await EndedAsync(next.Id);
        Assert.Equal(["read", "side", "side", "side"], taken.Select(line => line.Split(' ')[0]));
        Assert.Equal(asked, (await AskedAsync(model)).Count);
        await FinishAsync(model, next.Id);

        await AssertUnchangedAsync(next.Id, taken);
        Assert.StartsWith("Write ", Assert.Single((await AskedAsync(model)).Skip(asked)), StringComparison.Ordinal);
        // Both have the jobs of the steps that only the first one did.
        Assert.Equal(
            3,
            await Core.ScalarAsync<int>(
                $"SELECT count(*) FROM (SELECT job_id FROM workflow_steps WHERE run_id IN (@id, '{first.Id}') AND job_id IS NOT NULL GROUP BY job_id HAVING count(*) = 2) AS both_have",
                next.Id
            )
        );
        Assert.Equal(1, await Core.ScalarAsync<int>("SELECT crash_count FROM jobs WHERE id = @id", next.Id));
    }

    private static Dictionary<string, JsonElement> Nothing => new(StringComparer.Ordinal);

    private static string DefinitionOf(string gate) =>
        Chats
            .Replace(
                "GATE",
                gate switch
                {
                    "review" => Review,
                    "timer" => """{"name":"gate","type":"timer","seconds":600,"after":["one"]}""",
                    _ => """{"name":"gate","type":"event","after":["one"]}""",
                },
                StringComparison.Ordinal
            )
            .Replace("NAME", gate, StringComparison.Ordinal)
            .Replace("OUTPUT", gate == "timer" ? "{{steps.two}}" : "{{steps.gate.total}}", StringComparison.Ordinal);

    private Task<string> DueAsync(Guid run) =>
        Core.ScalarAsync<string>("SELECT coalesce(max(due_at)::text, '') FROM workflow_steps WHERE run_id = @id", run);

    /// <summary>As if a timer's time had passed.</summary>
    private async Task RingAsync(Guid run)
    {
        await Core.ExecuteAsync("UPDATE workflow_steps SET due_at = now() WHERE run_id = @id AND name = 'gate'", run);
        await Core.ExecuteAsync("UPDATE jobs SET due_at = now() WHERE id = @id", run);
    }

    private Task UntilWaitingAsync(Guid run, string gate) =>
        Eventually.TrueAsync(
            async _ =>
                await Core.ScalarAsync<int>(
                    "SELECT count(*) FROM workflow_steps s JOIN jobs j ON j.id = s.run_id WHERE s.run_id = @id AND s.name = 'gate' AND j.status = 5",
                    run
                ) == 1
                && (gate != "review" || await Core.ScalarAsync<int>("SELECT count(*) FROM job_waits WHERE answered_at IS NULL") == 1),
            "the run waits at its gate",
            Patience
        );

    /// <returns>Whether the gate was ended by this; a timer ends by itself.</returns>
    private async Task<bool> EndAsync(Guid run, string gate)
    {
        switch (gate)
        {
            case "review":
                var job = await Core.ScalarAsync<Guid>("SELECT job_id FROM workflow_steps WHERE run_id = @id AND name = 'gate'", run);
                var wait = new WaitKey(ApiKeyStore.DefaultTenant, job, 1);
                return await Core.Get<AnswerWait>().ReviewAcceptsAsync(wait, Edited, null, TestRun.Cancel) is AnswerOutcome.Taken;
            case "event":
                var data = JsonElement.Parse(Edited);
                return await new RunStepStore(Core.Database).PostAsync(ApiKeyStore.DefaultTenant, run, "gate", data, TestRun.Cancel);
            default:
                return true;
        }
    }

    /// <returns>What of this run had ended when its worker died, which has brought those that had one before to their end.</returns>
    private async Task<IReadOnlyList<string>> DieTakingAsync(string model, Guid run, string gate, IEnumerable<Guid> earlier)
    {
        using var dying = await StartAsync(model, ("AIBACKEND_FAULT", $"K15[{gate}]:kill"));
        await UntilCompletedAsync(earlier);
        Assert.True(await EndAsync(run, gate));
        await dying.WaitForExitAsync().WaitAsync(Patience, TestRun.Cancel);
        await Core.BuryAsync();
        var ended = await EndedAsync(run);
        Assert.Equal(["gate", "one"], ended.Select(line => line.Split(' ')[0]));
        return ended;
    }

    private async Task DeathAsync(string model, string fault)
    {
        using var dying = await StartAsync(model, ("AIBACKEND_FAULT", fault));
        await dying.WaitForExitAsync().WaitAsync(Patience, TestRun.Cancel);
        Assert.True(dying.ExitCode is not 0 and not 134, $"{dying.ExitCode}: {dying.Output}");
        await Core.BuryAsync();
    }

    private async Task FinishAsync(string model, params Guid[] runs)
    {
        using var worker = await StartAsync(model);
        await UntilCompletedAsync(runs);
    }

    private async Task UntilCompletedAsync(IEnumerable<Guid> runs)
    {
        foreach (var run in runs)
        {
            await Eventually.TrueAsync(async _ => (await Core.StatusAsync(run)).IsTerminal(), "the run has ended", Patience);
            Assert.Equal(JobStatus.Completed, await Core.StatusAsync(run));
        }
    }

    private async Task<IReadOnlyList<string>> EndedAsync(Guid run) =>
        (await Core.ScalarAsync<string>(Ended, run)).Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private async Task AssertUnchangedAsync(Guid run, IReadOnlyList<string> before)
    {
        Assert.NotEmpty(before);
        var after = await EndedAsync(run);
        Assert.All(before, line => Assert.Contains(line, after));
    }

    /// <summary>What the model was asked, in order.</summary>
    private async Task<IReadOnlyList<string>> AskedAsync(string model) =>
        [
            .. (await simulator.CallsAsync(model, TestRun.Cancel)).Select(call =>
                call.GetProperty("messages").EnumerateArray().Last().GetProperty("content").GetString()!
            ),
        ];

    private Task<WorkerProcess> StartAsync(string model, params IEnumerable<(string, string)> settings) =>
        WorkerProcess.StartAsync(Db, _redis, (simulator.Address, model), [.. WorkerProcess.ShortLeases, .. settings]);
}
