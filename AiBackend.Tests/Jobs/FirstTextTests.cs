using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Telemetry;
using AiBackend.Tests.Fixtures;
using Microsoft.Extensions.Logging.Abstractions;

namespace AiBackend.Tests.Jobs;

/// <summary>When the first text of an attempt is written. The clock stands still, so that nothing is written because its time has come.</summary>
public sealed class FirstTextTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    [Fact]
    public async Task The_first_text_is_written_at_once_when_no_more_is_at_hand()
    {
        await using var writes = Stopped();
        using var running = await ClaimAsync(writes);

        running.AppendText("Once ");
        running.AppendText("upon ");
        running.ShowFirstText();

        await Eventually.TrueAsync(
            async _ => (await Core.EventsAsync(running.Job.Lease.JobId)) is [.., { Kind: JobEventKind.Delta }],
            "the first text is committed"
        );
    }

    [Fact]
    public async Task An_answer_that_is_there_at_once_is_one_transaction_with_its_end()
    {
        await using var writes = Stopped();
        using var running = await ClaimAsync(writes);

        running.AppendText("Once ");
        running.AppendText("upon a time");
        Assert.True(await running.EndAsync(AttemptEnd.Succeeded("Once upon a time")));

        Assert.Equal(
            [JobEventKind.Delta, JobEventKind.Final],
            (await Core.EventsAsync(running.Job.Lease.JobId)).TakeLast(2).Select(told => told.Kind)
        );
        Assert.Equal(3, await CountTransactionsAsync(running.Job.Lease.JobId));
    }

    private LeasedWrites Stopped() =>
        new(
            Core.Get<IJobStore>(),
            Core.Get<IJobSignals>(),
            Core.Get<JobMetrics>(),
            Core.Get<IStorageWatch>(),
            new FakeTime(DateTimeOffset.UnixEpoch),
            NullLogger<LeasedWrites>.Instance
        );

    private async Task<RunningJob> ClaimAsync(LeasedWrites writes) =>
        writes.Open(
            Assert.Single(
                await Core.Get<ClaimJobs>().RunAsync(Guid.CreateVersion7(), [await Core.SubmitAsync()], CoreHost.Lease, TestRun.Cancel)
            )
        );

    /// <summary>That wrote the job's events: its submission, its claim, and what followed.</summary>
    private async Task<long> CountTransactionsAsync(Guid jobId)
    {
        await using var command = Core.Database.CreateCommand("SELECT count(DISTINCT xmin::text) FROM job_events WHERE job_id = @id");
        command.Parameters.AddWithValue("id", jobId);
        return (long)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }
}
