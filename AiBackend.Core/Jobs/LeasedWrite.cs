namespace AiBackend.Core.Jobs;

/// <summary>An event that has no number yet.</summary>
/// <param name="Kind">What happened.</param>
/// <param name="Data">Payload as UTF-8 JSON.</param>
public readonly record struct PendingEvent(JobEventKind Kind, byte[] Data);

/// <summary>What one flush writes for one job.</summary>
/// <param name="Running">The job.</param>
/// <param name="AfterSeq">Number of its latest committed event; the first new one is the next.</param>
/// <param name="Events">New events in order.</param>
/// <param name="End">How the attempt ended; null while it goes on.</param>
public sealed record LeasedWrite(RunningJob Running, int AfterSeq, IReadOnlyList<PendingEvent> Events, AttemptEnd? End)
{
    /// <summary>The fence.</summary>
    public JobLease Lease => Running.Job.Lease;

    /// <summary>Number of the last of <see cref="Events"/>.</summary>
    public int LastSeq => AfterSeq + Events.Count;
}
