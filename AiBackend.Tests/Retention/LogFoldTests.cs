using AiBackend.Core.Jobs;
using AiBackend.Core.Retention;
using AiBackend.Web.Runs;

namespace AiBackend.Tests.Retention;

public sealed class LogFoldTests
{
    [Fact]
    public void P_4_a_reader_that_resumes_a_compacted_log_at_any_number_has_the_same_text_and_meets_no_gap()
    {
        for (var seed = 0; seed < 500; seed++)
        {
            var log = RandomLog.Create(Guid.Empty, new Random(seed));
            var truth = RandomLog.TextOf(log);
            var compacted = Apply(log, LogFold.Compact(log));

            for (var after = 0; after <= log.Count; after++)
            {
                var fold = new RunFold();
                foreach (var record in log.Take(after).Concat(compacted.Where(record => record.Seq > after)))
                {
                    Assert.Equal((seed, after, FoldOutcome.Applied), (seed, after, fold.Apply(RandomLog.EventOf(record))));
                }

                Assert.Equal((seed, after, log.Count, truth), (seed, after, fold.LastSeq, fold.Text));
            }

            Assert.Empty(LogFold.Compact(compacted));
        }
    }

    [Fact]
    public void An_attempt_that_nothing_parts_becomes_one_snapshot_and_what_a_reset_took_away_is_not_kept()
    {
        var log = RandomLog.Create(Guid.Empty, new Random(0)).Take(1).ToList();
        Add(JobEventKind.Delta, """{"attempt":1,"text":"lost "}""");
        Add(JobEventKind.Delta, """{"attempt":1,"text":"words"}""");
        Add(JobEventKind.Reset, """{"attempt":1,"reason":"worker_lost"}""");
        Add(JobEventKind.Delta, """{"attempt":2,"text":"kept ","from_a_newer_version":1}""");
        Add(JobEventKind.Delta, """{"attempt":2,"text":"words"}""");

        var runs = LogFold.Compact(log);

        Assert.Equal(
            [(2, 3, """{"attempt":1,"text":""}"""), (5, 6, """{"attempt":2,"text":"kept words"}""")],
            runs.Select(run => (run.First, run.Last, System.Text.Encoding.UTF8.GetString(run.Snapshot)))
        );

        void Add(JobEventKind kind, string data) =>
            log.Add(new JobEventRecord(Guid.Empty, log.Count + 1, kind, System.Text.Encoding.UTF8.GetBytes(data)));
    }

    private static List<JobEventRecord> Apply(IReadOnlyList<JobEventRecord> log, IReadOnlyList<CompactedRun> runs)
    {
        var compacted = new List<JobEventRecord>();
        foreach (var record in log)
        {
            var run = runs.FirstOrDefault(run => run.First <= record.Seq && record.Seq <= run.Last);
            if (run.Snapshot is null)
            {
                compacted.Add(record);
            }
            else if (run.Last == record.Seq)
            {
                compacted.Add(record with { Kind = JobEventKind.Snapshot, Data = run.Snapshot });
            }
        }

        return compacted;
    }
}
