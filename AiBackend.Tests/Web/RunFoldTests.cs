using AiBackend.ApiContracts.Jobs;
using AiBackend.Web.Runs;
using FsCheck;
using FsCheck.Fluent;

namespace AiBackend.Tests.Web;

public sealed class RunFoldTests
{
    private static readonly Gen<string> Text = Gen.Elements("a", "bc ", "\n\n", "é", "😀", "", "word ");

    /// <summary>What a worker may write: text of rising attempts, broken off here and there, sometimes as one snapshot.</summary>
    private static readonly Gen<List<RunEvent>> Logs = from writes in Gen.Zip(Gen.Choose(0, 9), Text).ListOf() select Log(writes);

    [Fact]
    public void P_4_any_schedule_of_breaks_repeats_and_losses_folds_to_the_text_of_the_last_attempt() =>
        Prop.ForAll(
                Gen.Zip(Logs, Gen.Choose(0, int.MaxValue)).ToArbitrary(),
                both =>
                {
                    var (log, seed) = both;
                    var fold = new RunFold();

                    Deliver(log, fold, new Random(seed));

                    Assert.Equal(Truth(log), fold.Text);
                    Assert.Equal(log.Count, fold.LastSeq);
                }
            )
            .QuickCheckThrowOnFailure();

    [Fact]
    public void P_4_a_snapshot_in_place_of_what_was_compacted_folds_to_the_same_text() =>
        Prop.ForAll(
                Gen.Zip(Logs, Gen.Choose(0, 100)).ToArbitrary(),
                both =>
                {
                    var (log, percent) = both;
                    var cut = log.Count * percent / 100;
                    var whole = new RunFold();
                    log.ForEach(entry => whole.Apply(entry));
                    var before = new RunFold();
                    log.Take(cut).ToList().ForEach(entry => before.Apply(entry));

                    var compacted = new RunFold();
                    if (cut > 0)
                    {
                        compacted.Apply(new RunEvent(cut, new SnapshotEvent(Math.Max(before.TextAttempt, 1), before.Text)));
                    }

                    log.Skip(cut).ToList().ForEach(entry => compacted.Apply(entry));

                    Assert.Equal(whole.Text, compacted.Text);
                }
            )
            .QuickCheckThrowOnFailure();

    [Fact]
    public void An_event_seen_before_changes_nothing()
    {
        var fold = new RunFold();
        fold.Apply(new RunEvent(1, new DeltaEvent(1, "once")));

        var outcome = fold.Apply(new RunEvent(1, new DeltaEvent(1, "once")));

        Assert.Equal(FoldOutcome.Duplicate, outcome);
        Assert.Equal("once", fold.Text);
    }

    [Fact]
    public void A_missing_event_is_reported_and_nothing_after_it_is_taken()
    {
        var fold = new RunFold();
        fold.Apply(new RunEvent(1, new DeltaEvent(1, "a")));

        var outcome = fold.Apply(new RunEvent(3, new DeltaEvent(1, "c")));

        Assert.Equal(FoldOutcome.Gap, outcome);
        Assert.Equal((1, "a"), (fold.LastSeq, fold.Text));
    }

    [Fact]
    public void The_text_of_a_later_attempt_never_follows_that_of_an_earlier_one()
    {
        var fold = new RunFold();
        fold.Apply(new RunEvent(1, new DeltaEvent(1, "first")));
        fold.Apply(new RunEvent(2, new DeltaEvent(2, "second")));

        fold.Apply(new RunEvent(3, new DeltaEvent(1, "late")));

        Assert.Equal("second", fold.Text);
    }

    [Fact]
    public void A_reset_drops_the_text_and_tells_the_reader_why()
    {
        var fold = new RunFold();
        fold.Apply(new RunEvent(1, new DeltaEvent(1, "half")));

        fold.Apply(new RunEvent(2, new ResetEvent(1, "worker_lost")));

        Assert.Equal("", fold.Text);
        Assert.Contains("interrupted", Assert.Single(fold.Notices).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_type_this_build_does_not_know_counts_as_read()
    {
        var fold = new RunFold();

        Assert.Equal(FoldOutcome.Applied, fold.Apply(new RunEvent(1, null)));
        Assert.Equal(FoldOutcome.Applied, fold.Apply(new RunEvent(2, new DeltaEvent(1, "a"))));
    }

    private static List<RunEvent> Log(IEnumerable<(int Kind, string Text)> writes)
    {
        var (attempt, log) = (1, new List<RunEvent>());
        foreach (var (kind, text) in writes)
        {
            object? payload = kind switch
            {
                0 => new ResetEvent(attempt, "provider_failure"),
                1 => new SnapshotEvent(attempt, text),
                2 => new StateEvent(JobStatuses.Processing, attempt),
                3 => null,
                _ => new DeltaEvent(attempt, text),
            };
            attempt += kind is 0 ? 1 : 0;
            log.Add(new RunEvent(log.Count + 1, payload));
        }

        return log;
    }

    /// <summary>The text as the contract words it, computed the plain way.</summary>
    private static string Truth(List<RunEvent> log)
    {
        var text = new SortedDictionary<int, string> { [0] = "" };
        foreach (var entry in log)
        {
            switch (entry.Payload)
            {
                case DeltaEvent delta:
                    text[delta.Attempt] = text.GetValueOrDefault(delta.Attempt, "") + delta.Text;
                    break;
                case SnapshotEvent snapshot:
                    text[snapshot.Attempt] = snapshot.Text;
                    break;
                case ResetEvent reset:
                    text[reset.Attempt] = "";
                    break;
            }
        }

        return text.Last().Value;
    }

    /// <summary>A server that starts after the reader's number, over a line that repeats, loses and breaks.</summary>
    private static void Deliver(List<RunEvent> log, RunFold fold, Random random)
    {
        for (var connections = 0; fold.LastSeq < log.Count; connections++)
        {
            // After enough bad connections comes a good one, as a reader that keeps trying may expect.
            var isGood = connections > 50;
            for (var at = Math.Max(0, fold.LastSeq - (isGood ? 0 : random.Next(3))); at < log.Count; at++)
            {
                if (!isGood && random.Next(20) == 0)
                {
                    continue;
                }

                if (fold.Apply(log[at]) is FoldOutcome.Gap || (!isGood && random.Next(15) == 0))
                {
                    break;
                }
            }
        }
    }
}
