using System.Text.Json;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Web.Runs;

namespace AiBackend.Tests.Worker;

/// <summary>An answer that breaks off, as the reader of a job sees it: one attempt, told what became of the text, and the text is the output.</summary>
public sealed class ContinuityJobTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    [Fact]
    public async Task F_25_a_cut_answer_is_begun_anew_by_another_provider_in_the_same_attempt()
    {
        var cut = await simulator.ModelAsync(new { words = 9, cut_after_tokens = 4 });
        var good = await simulator.ModelAsync(new { words = 3 });
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (simulator.Address, cut), (simulator.Address, good));

        var job = await worker.RunJobAsync(CoreHost.Draft());

        Assert.Equal(("completed", 1, "word1 word2 word3"), (job.Status, job.Attempt, job.Output?.Text));
        Assert.Equal(("p1", 1), (job.ServedBy?.Provider, job.ServedBy?.Fallbacks));
        var events = await worker.EventsAsync(job.Id);
        Assert.Equal(
            [
                JobEventKind.State,
                JobEventKind.State,
                JobEventKind.Delta,
                JobEventKind.Notice,
                JobEventKind.Reset,
                JobEventKind.Delta,
                JobEventKind.Usage,
                JobEventKind.Final,
            ],
            Kinds(events)
        );
        Assert.Equal("""{"attempt":1,"reason":"stream_cut"}""", events.Single(record => record.Kind == JobEventKind.Reset).Data);
        Assert.Equal(job.Output!.Text, FoldOf(events).Text);
        var calls = Assert.Single((await TraceAsync(worker, job.Id)).Attempts).Calls;
        Assert.Equal(["p0:provider_unavailable", "p1:"], calls.Select(call => $"{call.Provider}:{call.Error?.Code}"));
    }

    [Fact]
    public async Task F_25_a_cut_answer_is_continued_where_the_provider_can_and_nothing_is_lost_or_doubled()
    {
        var model = await simulator.ModelAsync(
            new
            {
                words = 9,
                cut_after_tokens = 4,
                break_every = 2,
                prefill = "continue",
            }
        );
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await WorkerUnderTest.StartAsync(
            database,
            redis,
            [(simulator.Address, model)],
            [("AIBACKEND_PROVIDERS:0:CONTINUITY", "prefill")]
        );

        var job = await worker.RunJobAsync(CoreHost.Draft());

        Assert.Equal(
            ("completed", 1, "word1 word2 word3 word4 word5 word6 word7 word8 word9"),
            (job.Status, job.Attempt, job.Output?.Text)
        );
        var events = await worker.EventsAsync(job.Id);
        Assert.Contains(JobEventKind.Continued, Kinds(events));
        Assert.DoesNotContain(JobEventKind.Reset, Kinds(events));
        var fold = FoldOf(events);
        Assert.Equal(job.Output!.Text, fold.Text);
        Assert.Contains(fold.Notices, notice => notice.Message == "The answer broke off and was continued from there.");
        Assert.Contains(fold.Notices, notice => notice.Message == "p0 failed (provider_unavailable), asked it again.");
    }

    [Fact]
    public async Task Too_late_is_a_partial_result_also_when_the_answer_had_broken_off()
    {
        var cut = await simulator.ModelAsync(new { words = 9, cut_after_tokens = 4 });
        var silent = await simulator.ModelAsync(new { hang = "before_first_token" });
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (simulator.Address, cut), (simulator.Address, silent));

        var job = await worker.RunJobAsync(CoreHost.Draft() with { Deadline = TimeProvider.System.GetUtcNow() + TimeSpan.FromSeconds(5) });

        Assert.Equal(("partially_completed", "word1 word2 word3 word4 "), (job.Status, job.Output?.Text));
        Assert.Equal(job.Output!.Text, FoldOf(await worker.EventsAsync(job.Id)).Text);
    }

    private static IEnumerable<JobEventKind> Kinds(IEnumerable<(int Seq, JobEventKind Kind, string Data)> events)
    {
        JobEventKind? before = null;
        foreach (var kind in events.Select(record => record.Kind))
        {
            // How often text is written down is a matter of time.
            if (kind != JobEventKind.Delta || before != kind)
            {
                yield return kind;
            }

            before = kind;
        }
    }

    /// <summary>What the page shows.</summary>
    private static RunFold FoldOf(IEnumerable<(int Seq, JobEventKind Kind, string Data)> events)
    {
        var fold = new RunFold();
        foreach (var record in events.Where(record => record.Kind != JobEventKind.Final))
        {
            var data = JsonDocument.Parse(record.Data).RootElement;
            Assert.Equal(FoldOutcome.Applied, fold.Apply(RunEvent.From(new JobEvent(record.Seq, record.Kind.ToWire(), data))));
        }

        return fold;
    }

    private static async Task<JobTrace> TraceAsync(CoreHost worker, Guid id) =>
        (await worker.Get<JobTraces>().FindAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel))!;
}
