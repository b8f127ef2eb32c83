using System.Text.Json;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Jobs;
using AiBackend.Web.Runs;

namespace AiBackend.Tests.Retention;

/// <summary>A log as workers may write it: attempts that stream, are interrupted, reset, noticed, and one that ends.</summary>
internal static class RandomLog
{
    private static readonly string[] Pieces = ["a", "bc ", "\n\n", "é", "😀", "\"", "\\u0000", "word "];

    public static IReadOnlyList<JobEventRecord> Create(Guid jobId, Random random)
    {
        var log = new List<JobEventRecord>();
        Add(JobEventKind.State, JobEventPayload.Of(new StateEvent(JobStatuses.Queued, 0)));
        var attempts = random.Next(1, 4);
        for (var attempt = 1; attempt <= attempts; attempt++)
        {
            Add(JobEventKind.State, JobEventPayload.Of(new StateEvent(JobStatuses.Processing, attempt)));
            var streamed = false;
            for (var i = random.Next(0, 12); i > 0; i--)
            {
                switch (random.Next(8))
                {
                    case 0:
                        Add(JobEventKind.Notice, JobEventPayload.Of(new NoticeEvent("n", "A notice.")));
                        break;
                    case 1 when random.Next(4) == 0:
                        Add(JobEventKind.Snapshot, JobEventPayload.Of(new SnapshotEvent(attempt, "all so far ")));
                        streamed = true;
                        break;
                    case 2 when random.Next(3) == 0:
                        Add(JobEventKind.Continued, JobEventPayload.Of(new ContinuedEvent(attempt, "stream_cut")));
                        break;
                    case 3 when random.Next(3) == 0 && streamed:
                        Add(JobEventKind.Reset, JobEventPayload.Of(new ResetEvent(attempt, "stream_cut")));
                        streamed = false;
                        break;
                    default:
                        Add(JobEventKind.Delta, JobEventPayload.Of(new DeltaEvent(attempt, Pieces[random.Next(Pieces.Length)])));
                        streamed = true;
                        break;
                }
            }

            if (attempt < attempts && streamed)
            {
                Add(JobEventKind.Reset, JobEventPayload.Of(new ResetEvent(attempt, "worker_lost")));
            }
        }

        Add(JobEventKind.Final, JobEventPayload.Final);
        return log;

        void Add(JobEventKind kind, byte[] data) => log.Add(new JobEventRecord(jobId, log.Count + 1, kind, data));
    }

    /// <summary>What a reader that saw all of it has.</summary>
    public static string TextOf(IEnumerable<JobEventRecord> log)
    {
        var fold = new RunFold();
        Assert.All(log, record => Assert.Equal(FoldOutcome.Applied, fold.Apply(EventOf(record))));
        return fold.Text;
    }

    public static RunEvent EventOf(JobEventRecord record)
    {
        using var data = JsonDocument.Parse(record.Data);
        // A final event's payload is rendered when read; its text is not the fold's business.
        return record.Kind == JobEventKind.Final
            ? new RunEvent(record.Seq, null)
            : RunEvent.From(new JobEvent(record.Seq, record.Kind.ToWire(), data.RootElement.Clone()));
    }

    /// <summary>An ended job with this log.</summary>
    public static async Task StoreAsync(CoreHost core, Guid jobId, IReadOnlyList<JobEventRecord> log)
    {
        await core.SubmitAsync(CoreHost.Draft() with { Id = jobId, TenantId = ApiKeyStore.DefaultTenant });
        foreach (var record in log.Skip(1))
        {
            await using var insert = core.Database.CreateCommand(
                "INSERT INTO job_events (job_id, seq, kind, tenant_id, data) SELECT id, $2, $3, tenant_id, $4 FROM jobs WHERE id = $1"
            );
            insert.Parameters.Add(new() { Value = jobId });
            insert.Parameters.Add(new() { Value = record.Seq });
            insert.Parameters.Add(new() { Value = (short)record.Kind });
            insert.Parameters.Add(new() { Value = System.Text.Encoding.UTF8.GetString(record.Data.Span) });
            await insert.ExecuteNonQueryAsync(Fixtures.TestRun.Cancel);
        }

        await core.ExecuteAsync($"UPDATE jobs SET status = 6, finished_at = now(), last_seq = {log.Count} WHERE id = @id", jobId);
    }
}
