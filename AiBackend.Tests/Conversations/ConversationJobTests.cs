using System.Diagnostics.Metrics;
using AiBackend.ApiContracts.Conversations;
using AiBackend.Core.Conversations;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Telemetry;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;
using Microsoft.Extensions.Options;
using static AiBackend.Tests.Conversations.ConversationTalk;

namespace AiBackend.Tests.Conversations;

/// <summary>Jobs that continue a conversation: what their models are told, and what is kept.</summary>
public sealed class ConversationJobTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : CoreTests(postgres, redis),
        IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private readonly RedisServer _redis = redis;

    [Fact]
    public async Task A_model_is_told_what_was_said_before_and_question_and_answer_are_kept_with_their_job()
    {
        var model = await simulator.ModelAsync(new { text = "It is blue." });
        await using var worker = await StartAsync(model);
        var talk = await worker.BeginAsync(
            new NewConversation
            {
                Instructions = "Be brief.",
                Messages = [new() { Role = "user", Content = "Hi" }, new() { Role = "assistant", Content = "Hello" }],
            }
        );

        var first = await worker.RunJobAsync(Draft(talk, "What colour is the sky?"));
        var second = await worker.RunJobAsync(Draft(talk, "Why?"));

        Assert.Equal(
            [
                "user: Hi",
                "assistant: Hello",
                "user: What colour is the sky?",
                "assistant: It is blue.",
                "user: Why?",
                "assistant: It is blue.",
            ],
            await worker.SaidAsync(talk)
        );
        var messages = await worker.MessagesAsync(talk);
        Assert.Equal([null, null, first.Id, first.Id, second.Id, second.Id], messages.Select(message => message.JobId));
        var calls = await simulator.CallsAsync(model, TestRun.Cancel);
        Assert.Equal(
            ["system: Be brief.", .. (await worker.SaidAsync(talk)).Take(5)],
            Told(Assert.Single(calls, call => Told(call)[^1] == "user: Why?"))
        );
        Assert.Equal(talk, second.ConversationId);
        Assert.Equal(["system", "history", "input"], second.Context!.Parts.Select(part => part.Name));
        Assert.Equal(messages.Take(4).Sum(message => message.Tokens), second.Context.Parts[1].Tokens);
        Assert.Equal((16_000, 0), (second.Context.MaxTokens, second.Context.DroppedMessages));
    }

    [Fact]
    public async Task Old_messages_without_room_are_left_out_and_what_never_fits_is_the_callers_error()
    {
        var model = await simulator.ModelAsync(new { text = "Yes." });
        await using var worker = await StartAsync(model);
        NewMessage[] before =
        [
            .. Enumerable
                .Range(0, 100)
                .Select(i => new NewMessage { Role = i % 2 == 0 ? "user" : "assistant", Content = $"{i:000} {new string('x', 196)}" }),
        ];
        var talk = await worker.BeginAsync(new NewConversation { Messages = before });

        var done = await worker.RunJobAsync(Draft(talk, "And?", maxTokens: 300));
        var refused = await worker.RunJobAsync(Draft(talk, new string('y', 2_000), maxTokens: 300));

        // Beside it a summary may have been asked for.
        var told = Told((await simulator.CallsAsync(model, TestRun.Cancel)).Single(call => Told(call)[^1] == "user: And?"));
        // 50 tokens each: five have room, of which the first is an answer.
        Assert.Equal(["096", "097", "098", "099"], told.SkipLast(1).Select(text => text.Split(' ')[1]));
        Assert.Equal((96, "completed"), (done.Context!.DroppedMessages, done.Status));
        Assert.Equal(("failed", "context_too_large", "caller_error"), (refused.Status, refused.Error!.Code, refused.Error.Class));
        Assert.Contains("500 tokens", refused.Error.Message, StringComparison.Ordinal);
        Assert.Equal(102, (await worker.MessagesAsync(talk)).Count);
    }

    [Fact]
    public async Task A_model_without_room_for_all_that_was_said_is_asked_with_less_of_it_and_a_summary_follows()
    {
        // Each message has 53 tokens there.
        var model = await simulator.ModelAsync(new { text = "Yes.", context_tokens = 1_200 });
        await using var worker = await StartAsync(model);
        using var measured = new Measurements(worker.Get<IMeterFactory>(), JobTelemetryNames.Source);
        NewMessage[] before =
        [
            .. Enumerable
                .Range(0, 40)
                .Select(i => new NewMessage { Role = i % 2 == 0 ? "user" : "assistant", Content = $"{i:000} {new string('x', 196)}" }),
        ];
        var talk = await worker.BeginAsync(new NewConversation { Messages = before });

        var draft = Draft(talk, "And?");
        var done = await worker.RunJobAsync(draft);

        var calls = (await simulator.CallsAsync(model, TestRun.Cancel)).Select(Told).Where(told => told[^1] == "user: And?").ToList();
        Assert.Equal([41, 21], calls.Select(told => told.Count));
        Assert.StartsWith("user: 020", calls[1][0], StringComparison.Ordinal);
        Assert.Equal(("completed", 20, 1), (done.Status, done.Context!.DroppedMessages, done.Attempt));
        Assert.Contains(
            await worker.EventsAsync(draft.Id),
            each => each.Kind == JobEventKind.Notice && each.Data.Contains("context_cut", StringComparison.Ordinal)
        );
        Assert.Single(measured.Of("aibackend.job.context_cuts"));
        await Eventually.TrueAsync(
            async _ => await worker.ScalarAsync<int>("SELECT count(*) FROM conversations WHERE summary = 'Yes.'") == 1,
            "a summary that the model has room for stands for the oldest"
        );

        var refused = await worker.RunJobAsync(Draft(talk, new string('y', 6_000)));
        Assert.Equal(("failed", "context_length_exceeded"), (refused.Status, refused.Error!.Code));
        calls =
        [
            .. (await simulator.CallsAsync(model, TestRun.Cancel))
                .Select(Told)
                .Where(told => told[^1].StartsWith("user: yy", StringComparison.Ordinal)),
        ];
        Assert.Equal((4, 2), (calls.Count, calls[^1].Count));
    }

    [Fact]
    public async Task Nothing_is_kept_of_a_job_that_fails_or_is_cancelled_and_a_part_of_an_answer_is_marked()
    {
        var model = await simulator.ModelAsync(new { error_rate = 1, error_status = 400 });
        await using var worker = await StartAsync(model);
        var talk = await worker.BeginAsync();

        var failed = await worker.RunJobAsync(Draft(talk, "one"));
        await simulator.BehaveAsync(model, new { words = 50, finish_reason = "length" });
        var cut = await worker.RunJobAsync(Draft(talk, "two"));
        await simulator.BehaveAsync(model, new { hang = "before_first_token" });
        var hanging = await worker.SubmitAsync(Draft(talk, "three"));
        await Eventually.TrueAsync(async _ => await worker.StatusAsync(hanging) == JobStatus.Processing, "it runs");
        await worker.Get<CancelJob>().RunAsync(ApiKeyStore.DefaultTenant, hanging, TestRun.Cancel);
        await Eventually.TrueAsync(async _ => await worker.StatusAsync(hanging) == JobStatus.Cancelled, "it is cancelled");

        Assert.Equal(("failed", "partially_completed"), (failed.Status, cut.Status));
        var messages = await worker.MessagesAsync(talk);
        Assert.Equal([(1, "user", false), (2, "assistant", true)], messages.Select(each => (each.Seq, each.Role, each.Partial)));
        Assert.All(messages, message => Assert.Equal(cut.Id, message.JobId));
    }

    [Fact]
    public async Task A_job_of_a_conversation_that_was_deleted_fails_and_says_so()
    {
        var model = await simulator.ModelAsync(new { words = 2 });
        var talk = await Core.BeginAsync();
        var id = await Core.SubmitAsync(Draft(talk, "one"));
        Assert.True(await new ConversationStore(Core.Database).DeleteAsync(ApiKeyStore.DefaultTenant, talk, TestRun.Cancel));

        await using var worker = await StartAsync(model);
        await Eventually.TrueAsync(async _ => await worker.StatusAsync(id) == JobStatus.Failed, "it fails");

        Assert.Equal("conversation_deleted", (await worker.Reads.FindAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel))!.Error!.Code);
        Assert.Empty(await simulator.CallsAsync(model, TestRun.Cancel));
    }

    [Fact]
    public async Task An_edited_answer_that_a_reviewer_accepts_is_what_is_kept()
    {
        var talk = await Core.BeginAsync();
        var id = await Core.SubmitAsync(Draft(talk, "How much?"));
        using var running = await Core.ClaimAsync(id);
        Assert.True(await running.EndAsync(AttemptEnd.AskedForReview(new("{}", null, default), "many")));

        var taken = await Core.Get<AnswerWait>().ReviewAcceptsAsync(new(ApiKeyStore.DefaultTenant, id, 1), "90 EUR", null, TestRun.Cancel);

        Assert.IsType<AnswerOutcome.Taken>(taken);
        Assert.Equal(["user: How much?", "assistant: 90 EUR"], await Core.SaidAsync(talk));
    }

    [Fact]
    public async Task A_worker_that_wakes_up_too_late_and_a_write_that_is_repeated_add_nothing()
    {
        var talk = await Core.BeginAsync();
        var id = await Core.SubmitAsync(Draft(talk, "one"));
        using var stale = await Core.ClaimAsync(id);
        await Core.ExpireLeaseAsync(id);
        Assert.Equal(1, await Core.Get<RescueJobs>().RunAsync(TestRun.Cancel));
        using var next = await Core.ClaimAsync(id);

        Assert.True(await next.EndAsync(AttemptEnd.Succeeded("right")));
        Assert.False(await stale.EndAsync(AttemptEnd.Succeeded("late")));

        Assert.Equal(["user: one", "assistant: right"], await Core.SaidAsync(talk));
    }

    [Fact]
    public async Task K11_a_worker_that_dies_between_answer_and_commit_leaves_exactly_one_answer_in_each_conversation()
    {
        const int Talks = 20;
        var model = await simulator.ModelAsync(new { words = 3 });
        var talks = new Dictionary<Guid, Guid>();
        for (var i = 0; i < Talks; i++)
        {
            var talk = await Core.BeginAsync();
            talks[talk] = await Core.SubmitAsync(Draft(talk, "one") with { Model = model });
        }

        using (var dying = await StartProcessAsync(model, ("AIBACKEND_FAULT", $"K11[{model}]:kill")))
        {
            await dying.WaitForExitAsync();
        }

        // Nobody buries the dead here: the next one waits for the leader's term and the leases.
        using var worker = await StartProcessAsync(model);
        await Eventually.GetAsync(
            async _ =>
                await Core.ScalarAsync<string>(
                    "SELECT coalesce(string_agg(status || ' ' || attempt || ' ' || crash_count || ' ' || coalesce(waiting_reason, '') || ' ' || coalesce(error_message, ''), '; '), '') FROM jobs WHERE status <> 6"
                ),
            left => left.Length == 0,
            "the jobs end",
            TimeSpan.FromSeconds(90)
        );

        foreach (var (talk, job) in talks)
        {
            var messages = await Core.MessagesAsync(talk);
            Assert.Equal([(1, "user", job), (2, "assistant", job)], messages.Select(each => (each.Seq, each.Role, each.JobId!.Value)));
        }

        Assert.True((await simulator.CallsAsync(model, TestRun.Cancel)).Count > Talks, "No call was made twice: nothing died.");
    }

    [Fact]
    public async Task A_64_what_a_job_said_is_gone_with_it_and_so_is_a_summary_that_knows_of_it()
    {
        var talk = await Core.BeginAsync();
        foreach (var says in (string[])["one", "two"])
        {
            using var running = await Core.ClaimAsync(await Core.SubmitAsync(Draft(talk, says)));
            Assert.True(await running.EndAsync(AttemptEnd.Succeeded("poison")));
        }

        await Core.ExecuteAsync("UPDATE conversations SET summary = 'poison', summary_upto = 2 WHERE id = @id", talk);
        var poisoned = (await Core.MessagesAsync(talk))[0].JobId!.Value;
        await Core.ExecuteAsync("SELECT delete_jobs(tenant_id, ARRAY[id], false) FROM jobs WHERE id = @id", poisoned);

        Assert.Equal(["user: two", "assistant: poison"], await Core.SaidAsync(talk));
        var left = await new ConversationStore(Core.Database).FindAsync(ApiKeyStore.DefaultTenant, talk, TestRun.Cancel);
        Assert.Null(left!.Summary);
        Assert.Equal(4, left.LastSeq);
    }

    [Fact]
    public async Task What_is_older_than_a_tenant_keeps_or_anybody_continues_is_deleted()
    {
        var (old, idle, busy) = (await Core.BeginAsync(OneMessage), await Core.BeginAsync(OneMessage), await Core.BeginAsync(OneMessage));
        await Core.SubmitAsync(Draft(busy, "one"));
        var expire = new ExpireConversations(Core.Database, Options.Create(new ConversationOptions()));
        await Core.ExecuteAsync("UPDATE conversations SET updated_at = now() - interval '364 days' WHERE id = @id", old);
        await Core.ExecuteAsync("UPDATE conversations SET updated_at = now() - interval '366 days' WHERE id <> @id", old);

        Assert.Equal(1, await expire.RunAsync(TestRun.Cancel));
        Assert.Equal(
            (1, 0, 1),
            ((await Core.SaidAsync(old)).Count, (await Core.SaidAsync(idle)).Count, (await Core.SaidAsync(busy)).Count)
        );

        await Core.ExecuteAsync("UPDATE tenants SET content_days = 2 WHERE id <> @id", Guid.Empty);
        await Core.ExecuteAsync("UPDATE conversations SET updated_at = now(), summary = 's', summary_upto = 1 WHERE id <> @id", Guid.Empty);
        await Core.ExecuteAsync("UPDATE conversation_messages SET created_at = now() - interval '3 days' WHERE conversation_id = @id", old);

        Assert.Equal(1, await expire.RunAsync(TestRun.Cancel));
        Assert.Equal((0, 1), ((await Core.SaidAsync(old)).Count, (await Core.SaidAsync(busy)).Count));
        Assert.Null((await new ConversationStore(Core.Database).FindAsync(ApiKeyStore.DefaultTenant, old, TestRun.Cancel))!.Summary);
    }

    private static NewConversation OneMessage { get; } = new() { Messages = [new NewMessage { Role = "user", Content = "Hi" }] };

    private Task<CoreHost> StartAsync(string model) => WorkerUnderTest.StartAsync(Db, _redis, (simulator.Address, model));

    private Task<WorkerProcess> StartProcessAsync(string model, params IEnumerable<(string, string)> settings) =>
        WorkerProcess.StartAsync(
            Db,
            _redis,
            (simulator.Address, model),
            [("Worker__MaxConcurrentJobs", "32"), .. WorkerProcess.ShortLeases, .. settings]
        );
}
