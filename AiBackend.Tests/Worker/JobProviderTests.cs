using System.Text.Json;
using AiBackend.Core.Jobs;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Peers;
using AiBackend.Tests.Providers;
using AiBackend.Tests.Simulator;

namespace AiBackend.Tests.Worker;

/// <summary>What a provider does, as the reader of a job sees it: text, failover, another attempt.</summary>
public sealed class JobProviderTests(
    PostgresServer postgres,
    RedisServer redis,
    SimulatorServer simulator,
    Aimock aimock,
    StoryTeller teller
) : IClassFixture<RedisServer>, IClassFixture<SimulatorServer>, IClassFixture<Aimock>, IClassFixture<StoryTeller>
{
    public static TheoryData<string> Kinds => Wire.Kinds;

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_job_is_answered_by_an_upstream_that_nobody_here_wrote(string kind)
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, [(aimock.Address, "gpt-x")], Kind(kind));

        var job = await worker.RunJobAsync(Ask("unicode"));

        Assert.Equal(("completed", "Größe \"5\" \\ 世界 🎉\n```js\nlet a;\n```"), (job.Status, job.Output?.Text));
        Assert.Equal(("gpt-x", false), (job.ServedBy?.Model, job.ServedBy?.Simulated));
        Assert.True(job.Usage is { InputTokens: > 0, OutputTokens: > 0 });
        Assert.Equal(job.Output?.Text, await FoldAsync(worker, job.Id));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_job_whose_answer_reaches_its_limit_is_partly_completed(string kind)
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, [(aimock.Address, "gpt-x")], Kind(kind));

        var job = await worker.RunJobAsync(Ask("cut short"));

        Assert.Equal(("partially_completed", "as long as allow"), (job.Status, job.Output?.Text));
    }

    [Fact]
    public async Task A_job_is_answered_by_a_model_that_really_writes()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (await teller.AddressAsync(), "stories260K"));

        var job = await worker.RunJobAsync(
            CoreHost.Draft(input: """{"messages":[{"role":"user","content":"Once upon a time"}],"temperature":0}""")
        );

        // Nobody knows what it writes; what matters is that all of it is kept and counted.
        Assert.True(job.Status is "completed" or "partially_completed", job.Status);
        Assert.Equal(("stories260K", false), (job.ServedBy?.ModelVersion, job.ServedBy?.Simulated));
        Assert.InRange(job.Output!.Text.Length, 20, 10_000);
        Assert.InRange(job.Usage!.OutputTokens, 20, StoryTeller.Context);
        Assert.Equal(job.Output.Text, await FoldAsync(worker, job.Id));
    }

    [Fact]
    public async Task A_failed_provider_is_left_for_the_next_and_the_job_says_so()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await WorkerUnderTest.StartAsync(
            database,
            redis,
            (simulator.Address, await simulator.ModelAsync(new { error_rate = 1, error_status = 503 })),
            (simulator.Address, await simulator.ModelAsync(new { words = 4 }))
        );

        var draft = CoreHost.Draft();
        var job = await worker.RunJobAsync(draft);

        Assert.Equal(("completed", 1, "p1", 1), (job.Status, job.Attempt, job.ServedBy?.Provider, job.ServedBy?.Fallbacks));
        var notice = Assert.Single(await worker.EventsAsync(draft.Id), record => record.Kind == JobEventKind.Notice);
        Assert.Contains("p0 failed (provider_unavailable), asked p1 instead.", notice.Data, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_provider_that_recovers_is_asked_again_by_another_attempt()
    {
        var model = await simulator.ModelAsync(new { error_rate = 1, error_status = 503 });
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (simulator.Address, model));
        // The next attempt may follow at once, and fail as well.
        var draft = CoreHost.Draft() with
        {
            MaxAttempts = 20,
        };
        await worker.SubmitAsync(draft);
        await Eventually.TrueAsync(
            async _ => await worker.ScalarAsync<long>("SELECT count(*) FROM job_attempts WHERE job_id = @id AND outcome = 3", draft.Id) > 0,
            "the first attempt has failed"
        );

        await simulator.BehaveAsync(model, new { words = 4 });

        await worker.UntilAsync(async () => await worker.StatusAsync(draft.Id) == JobStatus.Completed, "another attempt has succeeded");
        Assert.Matches(
            "^failed:1 (failed:[0-9]+ )*succeeded:[0-9]+$",
            await worker.ScalarAsync<string>(
                "SELECT string_agg((ARRAY['succeeded', 'partial', 'failed'])[outcome] || ':' || attempt, ' ' ORDER BY attempt) FROM job_attempts WHERE job_id = @id",
                draft.Id
            )
        );
    }

    private static IEnumerable<(string, string)> Kind(string kind) => [("AIBACKEND_PROVIDERS:0:KIND", kind)];

    private static JobDraft Ask(string question) =>
        CoreHost.Draft(input: JsonSerializer.Serialize(new { messages = new[] { new { role = "user", content = question } } }));

    private static async Task<string> FoldAsync(CoreHost worker, Guid jobId) =>
        string.Concat(
            (await worker.EventsAsync(jobId))
                .Where(record => record.Kind == JobEventKind.Delta)
                .Select(record => JsonDocument.Parse(record.Data).RootElement.GetProperty("text").GetString())
        );
}
