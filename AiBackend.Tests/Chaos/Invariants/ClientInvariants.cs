using System.Globalization;
using AiBackend.Core.Jobs;

namespace AiBackend.Tests.Chaos.Invariants;

/// <summary>What must hold for whoever calls.</summary>
internal static class ClientInvariants
{
    // After it is acknowledged; the pause of the paper.
    private static readonly TimeSpan CancelGrace = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan RedisRecovery = TimeSpan.FromSeconds(15);

    /// <summary>I-3: one key, one job; another body under it is refused.</summary>
    public static Finding OneJobPerKey(Evidence evidence)
    {
        var byKey = evidence.History.Where(entry => entry.Key is not null).GroupBy(entry => entry.Key!).ToList();
        var known = byKey.Select(group => group.Key).ToHashSet();
        var perKey = Finding.Of(
            "I-3",
            "one key, one job; another body is refused",
            byKey,
            group =>
            {
                var answers = group
                    .Where(entry => entry is { Op: Operations.Submit, Phase: Phase.Ok })
                    .Select(entry => entry.Job)
                    .Distinct();
                var taken = group.FirstOrDefault(entry => entry is { Op: Operations.SubmitOther, Phase: Phase.Ok });
                return answers.Count() > 1 ? $"key {group.Key} was answered with several jobs"
                    : taken is not null ? $"key {group.Key} was taken for another body: {taken.Job}"
                    : null;
            }
        );
        // Whatever the answers said: a job that no key leads to, or two under one, was made twice.
        var orphans = evidence
            .Jobs.Where(job => job.Key is null || !(known.Contains(job.Key) || IsOfStep(job.Key)))
            .Select(job => $"{job.Id} belongs to no key");
        var twins = evidence
            .Jobs.Where(job => job.Key is not null)
            .GroupBy(job => job.Key)
            .Where(same => same.Count() > 1)
            .Select(same => $"key {same.Key} has {same.Count().ToString(CultureInfo.InvariantCulture)} jobs");
        return perKey with { Violations = [.. perKey.Violations, .. orphans, .. twins] };
    }

    /// <summary>Whether a run submitted the job, for one of its steps.</summary>
    private static bool IsOfStep(string key) => key.StartsWith("workflow/", StringComparison.Ordinal);

    /// <summary>I-9: what a reader folded, over all its connections, is the stored text; and it saw the end once.</summary>
    public static Finding ReadersSeeTheTruth(Evidence evidence) =>
        Finding.Of(
            "I-9",
            "readers fold to the stored text",
            evidence.Of(Operations.Read, Phase.Ok),
            read =>
                read.Detail is { } broken ? $"a reader of {read.Job}: {broken}"
                : read.Finals is not 1 ? string.Create(CultureInfo.InvariantCulture, $"a reader of {read.Job} saw {read.Finals} ends")
                : !evidence.ById.TryGetValue(read.Job!.Value, out var job) ? $"{read.Job} was read and does not exist"
                : job.Output is { } output && output != read.Text ? $"a reader of {read.Job} has another text than the stored one"
                : job.Log is { } log && log.Text != read.Text ? $"a reader of {read.Job} has another text than the log"
                : null
        );

    /// <summary>I-18: the loss of Redis delays jobs by no more than 15 s.</summary>
    public static Finding RedisIsDisposable(Evidence evidence)
    {
        var back = evidence.Of(Operations.RedisBack, Phase.Ok).Select(entry => entry.At).ToList();
        return Finding.Of(
            "I-18",
            "jobs accepted without Redis start within 15 s of its return",
            back,
            at =>
            {
                var lost = evidence.Of(Operations.RedisLost, Phase.Ok).Select(entry => entry.At).Where(lostAt => lostAt <= at).Max();
                var late = evidence.Jobs.FirstOrDefault(job =>
                    job.CreatedAt >= lost
                    && job.CreatedAt <= at
                    && (job.StartedAt ?? DateTimeOffset.MaxValue) > at + RedisRecovery
                    && job.Status is not JobStatus.Cancelled
                );
                return late is null
                    ? null
                    : string.Create(CultureInfo.InvariantCulture, $"{late.Id} started at {late.StartedAt:O}, Redis was back at {at:O}");
            }
        );
    }

    /// <summary>I-20: after an acknowledged cancel no new provider call starts.</summary>
    public static Finding CancelStops(Evidence evidence)
    {
        var calls = evidence.Calls.ToLookup(call => call.Key);
        return Finding.Of(
            "I-20",
            "no provider call starts after a cancel",
            evidence.Of(Operations.Cancel, Phase.Ok),
            cancel =>
                !evidence.HasEnded(cancel.Job!.Value) ? $"{cancel.Job} was cancelled and has not ended"
                : calls[cancel.Key!].FirstOrDefault(call => call.ReceivedAt > cancel.At + CancelGrace) is { } late
                    ? string.Create(
                        CultureInfo.InvariantCulture,
                        $"{cancel.Job} was cancelled at {cancel.At:O} and called at {late.ReceivedAt:O}"
                    )
                : null
        );
    }
}
