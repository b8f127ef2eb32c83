using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Knowledge;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Knowledge;
using AiBackend.Core.Operations;
using AiBackend.Core.Prompts;
using AiBackend.Core.Queue;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;
using Npgsql;

namespace AiBackend.Tests.Contracts;

/// <summary>Jobs with a contract whose models, reviewers and databases do what nobody hopes for.</summary>
public sealed class HostileAnswerJobTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private const string Endless = """{"schema":{"type":"object"},"on_violation":"repair"}""";

    [Theory]
    [InlineData("""{"a\u0000":1}""", Verdicts.Parse)]
    [InlineData("""{"\ud83d":1}""", Verdicts.Parse)]
    [InlineData("""{"a":1e99999999999}""", Verdicts.Parse)]
    public async Task An_answer_that_cannot_be_stored_ends_the_job_with_words_and_harms_nobody(string answer, string verdict)
    {
        await using var worker = await StartAsync(new { text = answer });

        var job = await worker.RunJobAsync(
            Draft("""{"schema":{"additionalProperties":{"enum":[1]},"propertyNames":{"const":"b"}},"on_violation":"fail"}""")
        );

        Assert.Equal(("failed", "contract_violation", verdict), (job.Status, job.Error!.Code, job.Contract!.Verdict));
        Assert.Equal(1, job.Attempt);
        Assert.Equal(1, Assert.Single((await StatsAsync(worker)).Contracts).Answers);
    }

    [Fact]
    public async Task A_verdict_of_before_that_quotes_such_an_answer_takes_no_reading_away()
    {
        await using var worker = await StartAsync(new { text = "{}" });
        var job = await worker.RunJobAsync(Draft("""{"schema":{"type":"object"}}""", prompt: "s@1"));
        await worker.ExecuteAsync(
            """
            UPDATE job_attempts SET checks = '[{"verdict":"schema","provider":"p","model":"m","repaired":[],"violations":[{"path":"/\u0000\\u0000"}]}]'
             WHERE job_id = @id
            """,
            job.Id
        );

        var stats = await StatsAsync(worker);

        Assert.Equal(("p", "m", 1, 0), Rate(Assert.Single(stats.Contracts)));
        var prompts = new PromptStatisticsReads(worker.Get<NpgsqlDataSource>(), TimeProvider.System);
        var version = new ApiContracts.Prompts.PromptVersion
        {
            Name = "s",
            Version = 1,
            Template = new ApiContracts.Prompts.PromptTemplate(),
            CreatedAt = DateTimeOffset.UnixEpoch,
            CreatedBy = "test",
        };
        Assert.Equal(1, Assert.Single(await prompts.AddToAsync(ApiKeyStore.DefaultTenant, [version], TestRun.Cancel)).Statistics!.Answers);
    }

    [Fact]
    public async Task A_text_that_a_reviewer_lets_pass_and_that_is_no_value_can_still_be_read()
    {
        await using var worker = await StartAsync(new { text = "[]" });
        var draft = Draft("""{"schema":{"type":"object"},"on_violation":"review"}""");
        await worker.SubmitAsync(draft);
        var wait = await ReviewAsync(worker, draft.Id, attempt: 1);

        await worker
            .Get<AnswerWait>()
            .ReviewAcceptsAsync(new(ApiKeyStore.DefaultTenant, draft.Id, wait.Attempt), """{"a":"\ud83d"}""", null, TestRun.Cancel);

        var job = (await worker.Reads.FindAsync(draft.Id, TestRun.Cancel))!;
        Assert.Equal(("completed", """{"a":"\ud83d"}""", null), (job.Status, job.Output!.Text, job.Output.Json));
        Assert.Contains("ud83d", JsonSerializer.Serialize(job, WireJson.Default.Job), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_model_said_and_a_reviewer_quoted_is_nothing_that_a_model_may_cite()
    {
        await using var worker = await StartAsync(new { text = """{"quote":"the moon is cheese"}""" });
        var draft = Draft("""{"rules":[{"rule":"cited","path":"/quote","severity":"review"}]}""");
        await worker.SubmitAsync(draft);
        var wait = await ReviewAsync(worker, draft.Id, attempt: 1);

        await worker
            .Get<AnswerWait>()
            .ReviewContinuesAsync(
                new(ApiKeyStore.DefaultTenant, draft.Id, wait.Attempt),
                new ReviewWords("Where does it say that the moon is cheese?", null).ToColumn(),
                TestRun.Cancel
            );

        await ReviewAsync(worker, draft.Id, attempt: 2);
    }

    [Theory]
    [InlineData("blinks when its filter", true)]
    [InlineData("Tell me about lamps", true)]
    [InlineData("Answer in verse", false)]
    [InlineData("I am a lamp", false)]
    [InlineData("They are data", false)]
    public async Task Users_and_passages_may_be_cited_and_instructions_and_earlier_answers_may_not(string quote, bool isValid)
    {
        await using var worker = await StartAsync(new { text = JsonSerializer.Serialize(new { quote }) });
        var document = new KnowledgeRequest { Source = "lamps.md", Text = "The blue lamp blinks when its filter is full." };
        await worker
            .Get<KnowledgeStore>()
            .PutAsync(ApiKeyStore.DefaultTenant, "manuals", document, TimeProvider.System.GetUtcNow(), TestRun.Cancel);

        var job = await worker.RunJobAsync(
            Draft("""{"rules":[{"rule":"cited","path":"/quote"}],"on_violation":"fail"}""", retrieve: "manuals") with
            {
                Input = """
                {"messages":[{"role":"system","content":"Answer in verse."},{"role":"user","content":"Tell me about lamps."},
                             {"role":"assistant","content":"I am a lamp."},{"role":"user","content":"Why does the lamp blink?"}]}
                """,
            }
        );

        Assert.Equal((isValid ? "completed" : "failed", isValid), (job.Status, job.Contract!.Valid));
    }

    [Fact]
    public async Task A_deadline_in_the_middle_of_an_answer_says_that_it_was_not_whole()
    {
        await using var worker = await StartAsync(new { output_tokens = 100_000, interval_ms = 20 });

        ApiContracts.Jobs.Job job;
        var seconds = 3;
        do
        {
            job = await worker.RunJobAsync(Draft(Endless) with { Deadline = TimeProvider.System.GetUtcNow().AddSeconds(seconds) });
            seconds *= 3;
        } while (job.Attempt == 0 && seconds < 30); // A busy machine may not begin in time; then there was no middle.

        Assert.Equal(("failed", "deadline_exceeded", null), (job.Status, job.Error!.Code, job.Output));
        Assert.Contains("before there was a whole answer that keeps its contract", job.Error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cancel_in_the_middle_keeps_the_text_as_what_was_read_and_as_no_value()
    {
        await using var worker = await StartAsync(new { text = "{} and more", hang_after_tokens = 1 });
        var draft = Draft(Endless);
        await worker.SubmitAsync(draft);
        await Eventually.TrueAsync(
            async _ => (await worker.EventsAsync(draft.Id)).Any(each => each.Kind == JobEventKind.Delta),
            "its text is there"
        );

        await worker.Get<CancelJob>().RunAsync(ApiKeyStore.DefaultTenant, draft.Id, TestRun.Cancel);
        await Eventually.TrueAsync(async _ => await worker.StatusAsync(draft.Id) == JobStatus.Cancelled, "the job has ended");

        var job = (await worker.Reads.FindAsync(draft.Id, TestRun.Cancel))!;
        // It would keep the contract, and nobody has looked.
        Assert.Equal(("{}", null, null), (job.Output!.Text.Trim(), job.Output.Json, job.Contract));
    }

    [Fact]
    public async Task A_job_whose_passages_cannot_be_looked_up_waits_for_the_database_and_blames_no_provider()
    {
        const string Signature = "search_knowledge(uuid, text, text, text, text[], interval, integer)";
        var model = await simulator.ModelAsync(new { text = "{}" });
        await using var worker = await StartAsync(model);
        await worker.ExecuteAsync($"ALTER FUNCTION {Signature} RENAME TO hidden", Guid.Empty);
        await worker.ExecuteAsync(
            """
            CREATE FUNCTION search_knowledge(uuid, text, text, text, text[], interval, integer)
            RETURNS TABLE (document_id uuid, source text, title text, updated_at timestamptz, n integer, passage text, score float8)
            LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'starting' USING ERRCODE = '57P03'; END $$
            """,
            Guid.Empty
        );
        var draft = Draft("""{"schema":{"type":"object"}}""", retrieve: "manuals");
        await worker.SubmitAsync(draft);
        // As it is seen then: it is soon tried again.
        var waiting = (
            await Eventually.GetAsync(
                async _ => await worker.Reads.FindAsync(draft.Id, TestRun.Cancel),
                job => job?.Status is "retrying" or "failed",
                "it is tried"
            )
        )!;

        Assert.Equal(("retrying", WaitingReasons.Storage), (waiting.Status, waiting.Queue!.WaitingReason));
        Assert.Equal(("storage_unavailable", "transient"), (waiting.Error!.Code, waiting.Error.Class));
        Assert.Empty(await simulator.CallsAsync(model, TestRun.Cancel));
        // At once: whoever asks in between would find none.
        await worker.ExecuteAsync(
            $"DROP FUNCTION {Signature}; ALTER FUNCTION hidden(uuid, text, text, text, text[], interval, integer) RENAME TO search_knowledge",
            Guid.Empty
        );
        await worker.UntilAsync(async () => await worker.StatusAsync(draft.Id) == JobStatus.Completed, "it goes on when Postgres is well");
        // Nobody had failed, so no try was used up and the call was a first one.
        Assert.Equal(1L, await worker.ScalarAsync<long>("SELECT count(*) FROM job_attempts WHERE job_id = @id AND outcome <> 5", draft.Id));
    }

    private async Task<CoreHost> StartAsync(object behaviour) => await StartAsync(await simulator.ModelAsync(behaviour));

    private async Task<CoreHost> StartAsync(string model) =>
        await WorkerUnderTest.StartAsync(await postgres.CreateDatabaseAsync(), redis, (simulator.Address, model));

    private static JobDraft Draft(string contract, string? prompt = null, string? retrieve = null) =>
        CoreHost.Draft() with
        {
            Terms = new JobTerms
            {
                Contract = Contract.Of(contract),
                Prompt = prompt,
                Retrieve = retrieve is null ? null : new KnowledgeQuery { Collection = retrieve },
            }.ToColumn(),
            InputVersion = JobSchema.Terms,
        };

    private static Task<ApiContracts.Operations.Stats> StatsAsync(CoreHost worker) =>
        new StatsReads(worker.Database, worker.Get<QueuePools>(), TimeProvider.System).ReadAsync(TimeSpan.FromMinutes(15), TestRun.Cancel);

    private static (string Provider, string Model, long Answers, long FirstPass) Rate(ApiContracts.Operations.ContractRate rate) =>
        (rate.Provider, rate.Model, rate.Answers, rate.FirstPass);

    private static async Task<JobWait> ReviewAsync(CoreHost worker, Guid jobId, int attempt)
    {
        JobWait? open = null;
        await worker.UntilAsync(
            async () =>
                (
                    open = (await worker.Get<WaitReads>().ListAsync(ApiKeyStore.DefaultTenant, jobId, TestRun.Cancel)).SingleOrDefault(
                        wait => wait.Attempt == attempt
                    )
                )
                    is not null
                || await worker.StatusAsync(jobId) is { } status && status.IsTerminal(),
            $"a person is asked by attempt {attempt}"
        );
        return open ?? throw new Xunit.Sdk.XunitException($"The job ended without asking a person in attempt {attempt}.");
    }
}
