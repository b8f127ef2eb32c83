namespace AiBackend.Core.Jobs;

/// <summary>Tells the other processes that something was committed. Hints only: losing every one of them delays work and loses nothing.</summary>
/// <remarks>Called only after the commit it speaks of. Implementations never throw and never block.</remarks>
public interface IJobSignals
{
    /// <summary>These new jobs are queued and may be claimed.</summary>
    void Submitted(IReadOnlyList<NewJob> jobs);

    /// <summary>These jobs are queued again and may be claimed.</summary>
    void Queued(IReadOnlyList<Guid> jobIds);

    /// <summary>These events are in the log.</summary>
    void Committed(IReadOnlyList<JobEventRecord> events);

    /// <summary>The holder of this running job should stop.</summary>
    void CancelRequested(Guid jobId);
}

/// <summary>A job that was just committed.</summary>
/// <param name="Id">Its id.</param>
/// <param name="TenantId">Whose it is: slots may be kept for it.</param>
public readonly record struct NewJob(Guid Id, Guid TenantId);
