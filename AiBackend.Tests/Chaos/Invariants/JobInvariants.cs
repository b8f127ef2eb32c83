using System.Globalization;
using AiBackend.Core.Jobs;

namespace AiBackend.Tests.Chaos.Invariants;

/// <summary>What must hold for every job by itself.</summary>
internal static class JobInvariants
{
    private static readonly TimeSpan AlertWithin = TimeSpan.FromSeconds(60);

    // What the most urgent job may wait while everything dies: a lease, a sweep, and the restarts.
    private static readonly TimeSpan Recovery = TimeSpan.FromSeconds(60);

    /// <summary>I-1: an acknowledged job exists and has ended, once.</summary>
    public static Finding EndsOnce(Evidence evidence) =>
        Finding.Of(
            "I-1",
            "an acknowledged job ends exactly once",
            evidence.Of(Operations.Submit, Phase.Ok).Select(ok => ok.Job!.Value).Distinct(),
            id =>
                !evidence.ById.TryGetValue(id, out var job) ? $"{id} was acknowledged and does not exist"
                : !job.Status.IsTerminal() ? $"{id} has not ended: {job.Status}"
                : job.Log is { Finals: var finals and not 1 } ? string.Create(CultureInfo.InvariantCulture, $"{id} ended {finals} times")
                : null
        );

    /// <summary>I-2: an ended job cannot be changed, and is what a reader was told.</summary>
    public static Finding StaysEnded(Evidence evidence)
    {
        var seen = Finding.Of(
            "I-2",
            "an ended job never changes",
            evidence.Of(Operations.Read, Phase.Ok),
            read =>
                evidence.ById.TryGetValue(read.Job!.Value, out var job) && NameOf(job.Status) != read.State
                    ? $"{read.Job} was seen ended as {read.State} and is {NameOf(job.Status)}"
                    : null
        );
        return seen with
        {
            Checked = seen.Checked + evidence.Tried,
            Violations = [.. seen.Violations, .. evidence.Changed.Select(id => $"{id} has ended and could be changed")],
        };
    }

    /// <summary>I-4: what a job leaves behind exists once and fits its end.</summary>
    public static Finding LeavesOneResult(Evidence evidence)
    {
        var expected = evidence
            .Of(Operations.Submit, Phase.Ok)
            .GroupBy(ok => ok.Job!.Value)
            .ToDictionary(same => same.Key, same => same.First().Text);
        return Finding.Of(
            "I-4",
            "a result, a success, a dead letter: exactly once",
            evidence.Jobs.Where(job => job.Status.IsTerminal()),
            job =>
            {
                var successes = job.Attempts.Count(attempt => attempt.Outcome is AttemptOutcome.Succeeded or AttemptOutcome.Partial);
                var good = job.Status is JobStatus.Completed or JobStatus.PartiallyCompleted;
                return successes != (good ? 1 : 0)
                        ? string.Create(CultureInfo.InvariantCulture, $"{job.Id} is {job.Status} and has {successes} successful attempts")
                    : good && job.Output is null ? $"{job.Id} is {job.Status} without an output"
                    : job.Status is JobStatus.Completed && expected.GetValueOrDefault(job.Id) is { } right && right != job.Output
                        ? $"{job.Id} has another output than the right one"
                    : (job.Letter is not null) != (job.Status is JobStatus.Failed && job.ErrorClass is not "caller_error")
                        ? $"{job.Id} is {job.Status} and {(job.Letter is null ? "has no" : "has a")} dead letter"
                    : null;
            }
        );
    }

    /// <summary>I-8: event numbers are gapless from 1.</summary>
    public static Finding NumbersAreGapless(Evidence evidence) =>
        Finding.Of(
            "I-8",
            "events are numbered 1 to n without a gap",
            evidence.Jobs.Where(job => job.Log is not null),
            job =>
                job.Log!.Count != job.Log.LastSeq || job.Log.LastSeq != job.LastSeq
                    ? string.Create(
                        CultureInfo.InvariantCulture,
                        $"{job.Id} has {job.Log.Count} events, the last is {job.Log.LastSeq}, and says {job.LastSeq}"
                    )
                    : null
        );

    /// <summary>I-12: a job that failed says why; a dead letter has its cause and calls for a person; operators are told their number.</summary>
    public static Finding FailuresSayWhy(Evidence evidence)
    {
        var failures = Finding.Of(
            "I-12",
            "a failed job has its reason, its cause and its alert",
            evidence.Jobs.Where(job => job.Status is JobStatus.Failed),
            job =>
                job is { ErrorCode: null } or { ErrorClass: null } or { ErrorMessage: null } ? $"{job.Id} failed and does not say why"
                : job.Letter is not { } letter ? null
                : letter.Fingerprint is null || letter.Message is null ? $"the dead letter of {job.Id} does not say why"
                : letter.AlertedAt is not { } alerted ? $"{job.Id} died of {letter.Fingerprint}, which raised no alert"
                : alerted > letter.At + AlertWithin
                    ? string.Create(CultureInfo.InvariantCulture, $"{job.Id} died at {letter.At:O} and raised its alert at {alerted:O}")
                : null
        );
        var miscount =
            evidence.LettersTold == evidence.LettersOpen
                ? null
                : string.Create(
                    CultureInfo.InvariantCulture,
                    $"operators are told of {evidence.LettersTold} dead letters, there are {evidence.LettersOpen}"
                );
        return miscount is null ? failures : failures with { Violations = [.. failures.Violations, miscount] };
    }

    /// <summary>I-13: attempts, crashes and provider calls have bounds.</summary>
    public static Finding TriesAreBounded(Evidence evidence)
    {
        var calls = evidence.Calls.CountBy(call => call.Key).ToDictionary();
        return Finding.Of(
            "I-13",
            "attempts, crashes and calls within their bounds",
            evidence.Jobs,
            job =>
                job.Attempt - job.Excused > job.MaxAttempts
                    ? string.Create(
                        CultureInfo.InvariantCulture,
                        $"{job.Id} used {job.Attempt - job.Excused} of {job.MaxAttempts} attempts"
                    )
                : job.CrashCount > RescueJobs.MaxCrashes
                    ? string.Create(CultureInfo.InvariantCulture, $"{job.Id} crashed {job.CrashCount} times")
                : job.Key is { } key && calls.GetValueOrDefault(key) is var made && made > job.Attempt * evidence.Deployments
                    ? string.Create(CultureInfo.InvariantCulture, $"{job.Id} called its provider {made} times in {job.Attempt} attempts")
                : null
        );
    }

    /// <summary>I-16: the lowest class waits no longer than until it is among the most urgent, and they do not wait.</summary>
    public static Finding NoneStarves(Evidence evidence)
    {
        var longest = evidence.AgeUpAfter + Recovery;
        return Finding.Of(
            "I-16",
            "the lowest priority is not starved",
            evidence.Jobs.Where(job => job is { Priority: JobPriority.Batch, StartedAt: not null }),
            job =>
                job.StartedAt - job.CreatedAt > longest
                    ? string.Create(CultureInfo.InvariantCulture, $"{job.Id} waited {job.StartedAt - job.CreatedAt}, more than {longest}")
                    : null
        );
    }

    /// <summary>I-22: nothing of another version is in what this one wrote.</summary>
    public static Finding StatesAreKnown(Evidence evidence) =>
        Finding.Of(
            "I-22",
            "only states that this version knows",
            evidence.Jobs,
            job =>
                Enum.IsDefined(job.Status) && job.Attempts.All(attempt => Enum.IsDefined(attempt.Outcome))
                    ? null
                    : $"{job.Id} is {job.Status}"
        );

    private static string? NameOf(JobStatus status) => Enum.IsDefined(status) ? status.ToWire() : null;
}
