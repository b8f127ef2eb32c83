using AiBackend.ApiContracts.Conversations;
using AiBackend.Core.Conversations;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;
using static AiBackend.Tests.Conversations.ConversationTalk;

namespace AiBackend.Tests.Conversations;

/// <summary>Summaries that stand for the oldest messages, and what is known of users.</summary>
public sealed class SummaryTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : CoreTests(postgres, redis),
        IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    // The job itself is soon gone again.
    private const string NoteSummariesSql = """
        CREATE TABLE begun_summaries (id uuid, priority smallint);
        CREATE FUNCTION note_summary() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
            'BEGIN INSERT INTO begun_summaries VALUES (NEW.id, NEW.priority); RETURN NULL; END';
        CREATE TRIGGER note_summary AFTER INSERT ON jobs FOR EACH ROW WHEN (NEW.summary_of IS NOT NULL) EXECUTE FUNCTION note_summary();
        """;

    private readonly RedisServer _redis = redis;

    private ConversationStore Store => new(Core.Database);

    private Compactions Compactions => new(Core.Database, Core.Rounds, Core.Get<CancelJob>());

    [Fact]
    public async Task When_a_model_can_hardly_be_told_all_a_batch_job_summarises_the_oldest_and_the_next_model_is_told_that()
    {
        var model = await simulator.ModelAsync(new { text = "Yes." });
        await Core.ExecuteAsync(NoteSummariesSql, Guid.Empty);
        await using var worker = await WorkerUnderTest.StartAsync(Db, _redis, (simulator.Address, model));
        var talk = await worker.BeginAsync(new NewConversation { User = "u1", Messages = Turns(20) });
        await new ProfileStore(Core.Database).PutAsync(ApiKeyStore.DefaultTenant, "u1", "Likes lamps.", "test", TestRun.Cancel);

        // 40 messages of 25 tokens: 1 000 have hardly room in 1 100.
        await worker.RunJobAsync(Draft(talk, "one", maxTokens: 1_100));
        await Eventually.TrueAsync(
            async _ => await Core.ScalarAsync<int>("SELECT count(*) FROM begun_summaries WHERE priority = 2") == 1,
            "a batch job writes a summary"
        );
        await Eventually.TrueAsync(async _ => await SummaryAsync(talk) is not null, "there is a summary", TimeSpan.FromSeconds(30));
        var next = await worker.RunJobAsync(Draft(talk, "two", maxTokens: 1_100));

        var summary = await SummaryAsync(talk);
        Assert.Equal(("Yes.", 22), (summary!.Text, summary.UpTo));
        Assert.Equal(["profile", "summary", "history", "input"], next.Context!.Parts.Select(part => part.Name));
        var told = Told((await simulator.CallsAsync(model, TestRun.Cancel)).Single(call => Told(call)[^1] == "user: two"));
        Assert.EndsWith("Likes lamps.", told[0], StringComparison.Ordinal);
        Assert.EndsWith("Yes.", told[1], StringComparison.Ordinal);
        Assert.StartsWith("user: 023 ", told[2], StringComparison.Ordinal);
        Assert.Equal(44, (await worker.MessagesAsync(talk)).Count);
        await Eventually.TrueAsync(
            async _ => await Core.ScalarAsync<int>("SELECT count(*) FROM jobs WHERE summary_of IS NOT NULL") == 0,
            "the job that wrote it is deleted",
            TimeSpan.FromSeconds(30)
        );
        Assert.Equal(0, await Core.ScalarAsync<int>("SELECT count(*) FROM job_payloads WHERE input LIKE '%Summarise the conversation%'"));
        await Eventually.TrueAsync(
            async _ => await Core.ScalarAsync<int>("SELECT count(*) FROM provider_calls WHERE state = 2") == 3,
            "every call is paid for"
        );
    }

    [Fact]
    public async Task A_summary_that_fails_or_was_never_asked_for_loses_nothing_and_is_tried_again_later()
    {
        var talk = await Core.BeginAsync(new NewConversation { Messages = Turns(4) });
        var messages = await Compactions.ReadAsync(ApiKeyStore.DefaultTenant, talk, 50, 1_000, TestRun.Cancel);
        Assert.Equal([1, 2, 3, 4, 5, 6], messages.Messages.Select(message => message.Seq));
        var job = await Core.SubmitAsync(CoreHost.Draft() with { SummaryOf = talk });
        Assert.True(await BeginAsync(talk, job, messages));
        Assert.False(await BeginAsync(talk, Guid.CreateVersion7(), messages));
        Assert.Equal(0, await Compactions.SettleAsync(TestRun.Cancel));
        using (var running = await Core.ClaimAsync(job))
        {
            Assert.True(await running.EndAsync(AttemptEnd.FailedForGood(new("x", "unknown", "It failed.", true))));
        }

        await Compactions.DeleteSpentAsync(TestRun.Cancel);
        Assert.Equal(JobStatus.Failed, await Core.StatusAsync(job));
        Assert.Equal(1, await Compactions.SettleAsync(TestRun.Cancel));
        await Compactions.DeleteSpentAsync(TestRun.Cancel);
        Assert.Equal(0, await Core.ScalarAsync<int>("SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM dead_letters)"));
        Assert.Null(await SummaryAsync(talk));
        Assert.False(await BeginAsync(talk, Guid.CreateVersion7(), messages));
        await Core.ExecuteAsync("UPDATE conversations SET compact_after = now() WHERE id = @id", talk);
        // Whoever began it died before there was a job.
        Assert.True(await BeginAsync(talk, Guid.CreateVersion7(), messages));
        Assert.Equal(0, await Compactions.SettleAsync(TestRun.Cancel));
        await Core.ExecuteAsync("UPDATE conversations SET compaction_at = now() - interval '2 minutes' WHERE id = @id", talk);
        Assert.Equal(1, await Compactions.SettleAsync(TestRun.Cancel));
        Assert.Equal(8, (await Core.MessagesAsync(talk)).Count);
    }

    [Fact]
    public async Task A_64_a_summary_of_a_message_that_is_deleted_meanwhile_never_counts()
    {
        var talk = await Core.BeginAsync(new NewConversation { Messages = Turns(4) });
        var messages = await Compactions.ReadAsync(ApiKeyStore.DefaultTenant, talk, 50, 1_000, TestRun.Cancel);
        var job = await Core.SubmitAsync(CoreHost.Draft() with { SummaryOf = talk });
        var waiting = await Core.SubmitAsync(CoreHost.Draft() with { SummaryOf = talk });
        Assert.True(await BeginAsync(talk, job, messages));
        Assert.True(await Store.DeleteMessageAsync(ApiKeyStore.DefaultTenant, talk, 3, TestRun.Cancel));
        using (var running = await Core.ClaimAsync(job))
        {
            await Compactions.DeleteSpentAsync(TestRun.Cancel);
            Assert.Equal((1, JobStatus.Cancelled), (await AskedAsync(), await Core.StatusAsync(waiting)));
            Assert.True(await running.EndAsync(AttemptEnd.Succeeded("poison")));
        }

        await Compactions.SettleAsync(TestRun.Cancel);
        Assert.Null(await SummaryAsync(talk));
        await Compactions.DeleteSpentAsync(TestRun.Cancel);
        Assert.Equal(
            0,
            await Core.ScalarAsync<int>(
                "SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM job_payloads) + (SELECT count(*) FROM job_outputs)"
            )
        );
        // What was read before the deletion is not what would be summarised now.
        Assert.False(await BeginAsync(talk, Guid.CreateVersion7(), messages));

        Task<int> AskedAsync() => Core.ScalarAsync<int>("SELECT count(*) FROM jobs WHERE id = @id AND cancel_requested", job);
    }

    [Fact]
    public async Task A_page_of_messages_has_no_more_than_its_size_and_at_least_one()
    {
        var large = new NewMessage { Role = "user", Content = new string('x', 2_500_000) };
        var talk = await Core.BeginAsync(
            new NewConversation { Messages = [large, large with { Content = new string('y', 5_000_000) }, large] }
        );
        var pages = new List<int>();

        for (var next = (int?)0; next is { } after; )
        {
            var page = await Store.MessagesAsync(ApiKeyStore.DefaultTenant, talk, after, 200, TestRun.Cancel);
            pages.Add(page.Data.Count);
            next = page.NextAfter;
        }

        Assert.Equal([1, 1, 1], pages);
    }

    [Fact]
    public async Task A_branch_has_copies_that_know_their_jobs_and_goes_its_own_way()
    {
        var talk = await Core.BeginAsync(
            new NewConversation
            {
                Title = "t",
                Instructions = "i",
                User = "u",
            }
        );
        foreach (var says in (string[])["one", "two"])
        {
            using var running = await Core.ClaimAsync(await Core.SubmitAsync(Draft(talk, says)));
            Assert.True(await running.EndAsync(AttemptEnd.Succeeded("answer")));
        }

        await Core.ExecuteAsync("UPDATE conversations SET summary = 's', summary_upto = 3 WHERE id = @id", talk);
        var (before, whole) = (await BranchAsync(talk, 2), await BranchAsync(talk, null));
        Assert.Null(await BranchAsync(talk, 5));
        using (var running = await Core.ClaimAsync(await Core.SubmitAsync(Draft(before!.Id, "other"))))
        {
            Assert.True(await running.EndAsync(AttemptEnd.Succeeded("otherwise")));
        }

        Assert.Equal(("t", "i", "u", new BranchPoint(talk, 2)), (before.Title, before.Instructions, before.User, before.BranchOf));
        Assert.Equal((null, "s"), (before.Summary, whole!.Summary!.Text));
        Assert.Equal(["user: one", "assistant: answer", "user: other", "assistant: otherwise"], await Core.SaidAsync(before.Id));
        Assert.Equal(["user: one", "assistant: answer", "user: two", "assistant: answer"], await Core.SaidAsync(talk));
        var first = (await Core.MessagesAsync(talk))[0];
        Assert.Equal(first, (await Core.MessagesAsync(before.Id))[0]);

        // Removed by its source, a message is gone from every branch.
        await Core.ExecuteAsync("SELECT delete_jobs(tenant_id, ARRAY[id], false) FROM jobs WHERE id = @id", first.JobId!.Value);
        Assert.Equal(["user: two", "assistant: answer"], await Core.SaidAsync(whole.Id));
        Assert.Equal(["user: other", "assistant: otherwise"], await Core.SaidAsync(before.Id));
    }

    private async Task<ConversationSummary?> SummaryAsync(Guid talk) =>
        (await Store.FindAsync(ApiKeyStore.DefaultTenant, talk, TestRun.Cancel))!.Summary;

    private Task<bool> BeginAsync(Guid talk, Guid job, Summarised messages) =>
        Compactions.BeginAsync(ApiKeyStore.DefaultTenant, talk, job, messages, TestRun.Cancel);

    private Task<Conversation?> BranchAsync(Guid talk, int? after) =>
        new BranchConversation(Core.Database).RunAsync(
            ApiKeyStore.DefaultTenant,
            talk,
            Guid.CreateVersion7(),
            new BranchRequest { After = after },
            "test",
            TestRun.Cancel
        );

    /// <summary>Messages of 25 tokens each.</summary>
    private static NewMessage[] Turns(int count) =>
        [
            .. Enumerable
                .Range(1, count * 2)
                .Select(i => new NewMessage { Role = i % 2 == 1 ? "user" : "assistant", Content = $"{i:000} {new string('x', 96)}" }),
        ];
}
