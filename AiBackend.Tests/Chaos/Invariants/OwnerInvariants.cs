using System.Globalization;
using AiBackend.Core.Jobs;

namespace AiBackend.Tests.Chaos.Invariants;

/// <summary>What must hold for whoever runs a job.</summary>
internal static class OwnerInvariants
{
    /// <summary>I-10: an older holder writes nothing once a newer one has claimed.</summary>
    public static Finding OnlyTheHolderWrites(Evidence evidence) =>
        Finding.Of(
            "I-10",
            "nobody writes under an older lease",
            evidence.Jobs.Where(job => job.Log is not null),
            job => job.Log!.Broken is { } broken ? $"{job.Id}: {broken}" : null
        );

    /// <summary>I-11: attempts of one job do not overlap, by Postgres' clock, and each number exists once.</summary>
    public static Finding OneOwnerAtATime(Evidence evidence) =>
        Finding.Of(
            "I-11",
            "one owner at a time",
            evidence.Jobs,
            job =>
                job.Attempts.Zip(job.Attempts.Skip(1)).FirstOrDefault(pair => pair.Second.StartedAt < pair.First.EndedAt)
                    is { First: { } first, Second: { } second }
                    ? string.Create(
                        CultureInfo.InvariantCulture,
                        $"{job.Id}: attempt {second.Number} began before {first.Number} had ended"
                    )
                : job.Status.IsTerminal() && job.Attempts.Count != job.Attempt
                    ? string.Create(CultureInfo.InvariantCulture, $"{job.Id} has {job.Attempts.Count} records of {job.Attempt} attempts")
                : null
        );

    /// <summary>I-21: a worker that was told to stop leaves no job to the rescuer.</summary>
    public static Finding StopsInOrder(Evidence evidence)
    {
        // One that was killed on top of it did not get the time.
        var killed = evidence.Of(Operations.Kill, Phase.Ok).Select(kill => kill.ProcessId).ToHashSet();
        var told = evidence.Of(Operations.Terminate, Phase.Ok).Where(stop => !killed.Contains(stop.ProcessId)).ToList();
        return Finding.Of(
            "I-21",
            "a stopping worker leaves nothing to its lease",
            told,
            stop =>
            {
                var suffix = string.Create(CultureInfo.InvariantCulture, $"/{stop.ProcessId}");
                var lost = evidence.Jobs.FirstOrDefault(job =>
                    job.Attempts.Any(attempt =>
                        attempt.Outcome is AttemptOutcome.Lost
                        && attempt.Process?.EndsWith(suffix, StringComparison.Ordinal) == true
                        && attempt.EndedAt > stop.At
                    )
                );
                return lost is null
                    ? null
                    : string.Create(CultureInfo.InvariantCulture, $"process {stop.ProcessId} was told to stop and lost {lost.Id}");
            }
        );
    }
}
