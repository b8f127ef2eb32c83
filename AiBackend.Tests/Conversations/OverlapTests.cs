using AiBackend.ApiContracts.Conversations;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Conversations;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Chaos;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;
using static AiBackend.Tests.Conversations.ConversationTalk;

namespace AiBackend.Tests.Conversations;

/// <summary>Several jobs of one conversation at the same time.</summary>
public sealed class OverlapTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : CoreTests(postgres, redis),
        IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private readonly RedisServer _redis = redis;

    [Fact]
    public async Task Jobs_of_a_conversation_take_turns_in_the_order_of_their_submission()
    {
        var talk = await Core.BeginAsync();
        var (one, two, three) = (await AddAsync(talk), await AddAsync(talk), await AddAsync(talk));
        var other = await Core.BeginAsync();
        var alone = await AddAsync(other);

        // Whoever is claimed first does not begin first, and waits for the nearest one: so that an end wakes one.
        Assert.Equal(new TurnEntry.Waits(two), await EnterAsync(talk, three));
        Assert.Equal(new TurnEntry.Waits(one), await EnterAsync(talk, two));
        Assert.IsType<TurnEntry.Begins>(await EnterAsync(talk, one));
        Assert.IsType<TurnEntry.Begins>(await EnterAsync(talk, one));
        Assert.IsType<TurnEntry.Begins>(await EnterAsync(other, alone));

        await WaitForAsync(two, one);
        await WaitForAsync(three, one);
        Assert.Equal(0, await Turns.WakeAsync(null, TestRun.Cancel));
        await EndAsync(one);
        Assert.Equal(0, await Turns.WakeAsync(other, TestRun.Cancel));
        Assert.Equal(2, await Turns.WakeAsync(talk, TestRun.Cancel));
        Assert.Equal(new TurnEntry.Waits(two), await EnterAsync(talk, three));
        var begins = Assert.IsType<TurnEntry.Begins>(await EnterAsync(talk, two));
        Assert.Equal(["says", "answer"], begins.History.Select(message => message.Content));
    }

    [Fact]
    public async Task Who_begins_reads_the_newest_messages_that_have_room_oldest_first_and_none_behind_one_that_has_none()
    {
        NewMessage Says(string role, int tokens) => new() { Role = role, Content = new string(role[0], 4 * tokens) };
        NewMessage[] said = [Says("user", 10), Says("assistant", 991), Says("user", 400), Says("assistant", 600)];
        var talk = await Core.BeginAsync(new NewConversation { Messages = said });
        var other = await Core.BeginAsync();
        var (one, alone) = (await AddAsync(talk), await AddAsync(other));

        for (var again = 0; again < 3; again++)
        {
            var begins = Assert.IsType<TurnEntry.Begins>(await EnterAsync(talk, one));
            Assert.Equal([(3, "user", 400), (4, "assistant", 600)], begins.History.Select(past => (past.Seq, past.Role, past.Tokens)));
            Assert.Equal(said[2].Content, begins.History[0].Content);
            Assert.Empty(Assert.IsType<TurnEntry.Begins>(await EnterAsync(other, alone)).History);
        }
    }

    [Fact]
    public async Task A_job_that_is_to_start_later_holds_nobody_up()
    {
        var talk = await Core.BeginAsync();
        var later = await Core.SubmitAsync(Draft(talk, "later") with { NotBefore = TimeProvider.System.GetUtcNow().AddHours(1) });
        var now = await AddAsync(talk);

        Assert.IsType<TurnEntry.Begins>(await EnterAsync(talk, now));
        Assert.Equal(new TurnEntry.Waits(now), await EnterAsync(talk, later));
    }

    [Fact]
    public async Task Of_jobs_that_come_at_once_and_are_to_be_alone_one_is_accepted_and_the_others_are_told_which()
    {
        var talk = await Core.BeginAsync();

        var outcomes = await Task.WhenAll(
            Enumerable.Range(0, 40).Select(i => Core.Submission.SubmitAsync(Draft(talk, $"{i}", Overlaps.Reject)))
        );

        var accepted = await Core.ScalarAsync<string>("SELECT string_agg(id::text, ',') FROM jobs");
        Assert.Single(outcomes, outcome => outcome is SubmitOutcome.Accepted);
        Assert.All(
            outcomes.Where(outcome => outcome is not SubmitOutcome.Accepted),
            outcome => Assert.Equal(accepted, Assert.IsType<SubmitOutcome.ConversationBusy>(outcome).JobId.ToString())
        );

        await EndAsync(Guid.Parse(accepted));
        Assert.IsType<SubmitOutcome.Accepted>(await Core.Submission.SubmitAsync(Draft(talk, "next", Overlaps.Reject)));
        Assert.IsType<SubmitOutcome.ConversationBusy>(await Core.Submission.SubmitAsync(Draft(talk, "more", Overlaps.Reject)));
        Assert.IsType<SubmitOutcome.Accepted>(await Core.Submission.SubmitAsync(Draft(talk, "more")));
    }

    [Fact]
    public async Task Two_nodes_that_are_asked_at_once_accept_one_job_between_them()
    {
        await using var node = await CoreHost.StartAsync(Db.ConnectionString, _redis.ConnectionString);
        for (var i = 0; i < 20; i++)
        {
            var talk = await Core.BeginAsync();
            var outcomes = await Task.WhenAll(
                Core.Submission.SubmitAsync(Draft(talk, "a", Overlaps.Reject)),
                node.Submission.SubmitAsync(Draft(talk, "b", Overlaps.Reject))
            );

            Assert.Single(outcomes, outcome => outcome is SubmitOutcome.Accepted);
        }
    }

    [Fact]
    public async Task A_repeat_of_the_job_that_is_open_finds_it_although_no_other_may_come()
    {
        var talk = await Core.BeginAsync();
        var first = Draft(talk, "one", Overlaps.Reject, key: "k");
        var outcomes = await Task.WhenAll(
            Core.Submission.SubmitAsync(first),
            Core.Submission.SubmitAsync(Draft(talk, "one", Overlaps.Reject, key: "k"))
        );

        Assert.IsType<SubmitOutcome.Accepted>(outcomes[0]);
        Assert.Equal(new SubmitOutcome.Replayed(first.Id), outcomes[1]);
        Assert.Equal(
            new SubmitOutcome.Replayed(first.Id),
            await Core.Submission.SubmitAsync(Draft(talk, "one", Overlaps.Reject, key: "k"))
        );
        Assert.Equal(
            new SubmitOutcome.ConversationBusy(first.Id),
            await Core.Submission.SubmitAsync(Draft(talk, "two", Overlaps.Reject, key: "other"))
        );
        // Its key was not used up.
        Assert.Equal(1, await Core.ScalarAsync<int>("SELECT count(*) FROM idempotency_keys"));
    }

    [Fact]
    public async Task A_job_that_waits_says_for_whom_holds_no_slot_and_begins_when_the_other_one_has_ended()
    {
        var model = await simulator.ModelAsync(new { text = "Yes." });
        await using var line = FaultProxy.Before(simulator.Address.Port);
        // The first is not answered before the second waits.
        line.Fault = new Fault { Silent = Way.Replies };
        await using var worker = await WorkerUnderTest.StartAsync(Db, _redis, (new Uri($"http://{line.Address}"), model));
        var talk = await worker.BeginAsync();
        var one = await worker.SubmitAsync(Draft(talk, "one"));
        var two = await worker.SubmitAsync(Draft(talk, "two"));

        await Eventually.TrueAsync(
            async _ => (await worker.Reads.FindAsync(two, TestRun.Cancel))!.Queue?.WaitingReason == $"conversation:{one}",
            "the second waits for the first"
        );
        line.Fault = Fault.None;
        await Eventually.TrueAsync(async _ => await worker.StatusAsync(two) == JobStatus.Completed, "both end", TimeSpan.FromSeconds(30));

        Assert.Equal(["user: one", "assistant: Yes.", "user: two", "assistant: Yes."], await worker.SaidAsync(talk));
        Assert.Equal(1, await worker.ScalarAsync<int>("SELECT attempt - excused FROM jobs WHERE id = @id", two));
        Assert.Equal(2, (await simulator.CallsAsync(model, TestRun.Cancel)).Count);
    }

    [Fact]
    public async Task A_worker_interrupts_for_a_job_whose_Api_died_before_it_could()
    {
        var model = await simulator.ModelAsync(new { hang = "before_first_token" });
        await using var worker = await WorkerUnderTest.StartAsync(Db, _redis, (simulator.Address, model));
        var talk = await worker.BeginAsync();
        var one = await worker.SubmitAsync(Draft(talk, "one"));
        await Eventually.TrueAsync(async _ => (await simulator.CallsAsync(model, TestRun.Cancel)).Count == 1, "the first asks");
        await simulator.BehaveAsync(model, new { text = "Now." });

        var two = await worker.SubmitAsync(Draft(talk, "two", Overlaps.Interrupt));
        await Eventually.TrueAsync(
            async _ => await worker.StatusAsync(two) == JobStatus.Completed,
            "the second ends",
            TimeSpan.FromSeconds(30)
        );

        Assert.Equal(JobStatus.Cancelled, await worker.StatusAsync(one));
        Assert.Equal(["user: two", "assistant: Now."], await worker.SaidAsync(talk));
    }

    private ConversationTurns Turns => new(Core.Database, Core.HotPath, Core.Rounds);

    private Task<Guid> AddAsync(Guid talk) => Core.SubmitAsync(Draft(talk, "says"));

    private Task<TurnEntry> EnterAsync(Guid talk, Guid job) =>
        Turns.EnterAsync(ApiKeyStore.DefaultTenant, talk, job, 1_000, TestRun.Cancel);

    private async Task WaitForAsync(Guid job, Guid other)
    {
        using var running = await Core.ClaimAsync(job);
        var error = new JobError("conversation_busy", "transient", "It waits.", true);
        Assert.True(await running.EndAsync(AttemptEnd.WaitsForProvider(error, $"conversation:{other}", TimeSpan.FromMinutes(5))));
    }

    private async Task EndAsync(Guid job)
    {
        using var running = await Core.ClaimAsync(job);
        Assert.True(await running.EndAsync(AttemptEnd.Succeeded("answer")));
    }
}
