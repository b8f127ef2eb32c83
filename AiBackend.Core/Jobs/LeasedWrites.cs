using System.Collections.Concurrent;
using System.Threading.Channels;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs.Telemetry;
using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Jobs;

/// <summary>Writes the events and outcomes of all of a worker's jobs, many jobs to a transaction, each fenced by its lease.</summary>
/// <remarks>
/// The first text of an attempt goes out as soon as no more of it is at hand, every outcome at once, and both by themselves: what others have
/// written meanwhile would be a row for every word. Other text goes out about every 20 ms, stretching to 250 ms when Postgres is slow or the machine is busy. Nothing is announced
/// before its commit. While Postgres is away everything waits in memory until the lease is lost by the clock.
/// </remarks>
public sealed class LeasedWrites : IAsyncDisposable
{
    private static readonly TimeSpan MinTick = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan MaxTick = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan MaxRetryDelay = TimeSpan.FromSeconds(1);

    private readonly WriteLeasedJobs _statement;
    private readonly IJobSignals _signals;
    private readonly JobMetrics _metrics;
    private readonly IStorageWatch _storage;
    private readonly TimeProvider _clock;
    private readonly ILogger<LeasedWrites> _logger;

    // All that have something to write; those that cannot wait are in both.
    private readonly Channel<RunningJob> _dirty = Channel.CreateUnbounded<RunningJob>(new() { SingleReader = true });
    private readonly ConcurrentQueue<RunningJob> _first = new();
    private readonly Task _loop;
    private TaskCompletionSource<bool> _urgent = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _fencedCount;
    private long _endedCount;
    private volatile bool _stopping;

    /// <summary>Starts the loop that writes.</summary>
    public LeasedWrites(
        IJobStore store,
        IJobSignals signals,
        JobMetrics metrics,
        IStorageWatch storage,
        TimeProvider clock,
        ILogger<LeasedWrites> logger
    )
    {
        _statement = new WriteLeasedJobs(store);
        _signals = signals;
        _metrics = metrics;
        _storage = storage;
        _clock = clock;
        _logger = logger;
        _loop = BackgroundLoop.Start(RunAsync);
    }

    /// <summary>Writes that changed nothing because the lease had passed on.</summary>
    public long FencedCount => Interlocked.Read(ref _fencedCount);

    /// <summary>Jobs that ended for good here.</summary>
    public long EndedCount => Interlocked.Read(ref _endedCount);

    /// <summary>Begins to write for a job this worker has claimed.</summary>
    public RunningJob Open(ClaimedJob job) => new(job, this);

    /// <summary>Writes what waits, then stops.</summary>
    public async ValueTask DisposeAsync()
    {
        _stopping = true;
        _dirty.Writer.TryComplete();
        Volatile.Read(ref _urgent).TrySetResult(true);
        await _loop;
    }

    internal void Schedule(RunningJob job, bool urgent)
    {
        if (job.TryMarkScheduled())
        {
            _dirty.Writer.TryWrite(job);
        }

        if (urgent)
        {
            _first.Enqueue(job);
            Volatile.Read(ref _urgent).TrySetResult(true);
        }
    }

    internal StateEvent StateAfter(ClaimedJob job, AttemptEnd end) =>
        end.RetryDelay is { } delay
            ? new(
                end.Status.ToWire(),
                job.Attempt,
                end.WaitingReason,
                _clock.GetUtcNow() + delay,
                end.Place?.Position,
                end.Place?.EtaP50,
                end.Place?.EtaP90,
                end.IsExcused
            )
            : new(
                end.Status.ToWire(),
                job.Attempt,
                JobRow.Place(end.Status, null, job.Crashes, null)?.WaitingReason,
                Excused: end.IsExcused
            );

    private async Task RunAsync()
    {
        var tick = MinTick;
        var lastTick = _clock.GetTimestamp();
        while (await _dirty.Reader.WaitToReadAsync())
        {
            var wait = tick - _clock.GetElapsedTime(lastTick);
            var isUrgent = wait > TimeSpan.Zero && await IsUrgentWithinAsync(wait);
            Volatile.Write(ref _urgent, new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously));
            if (isUrgent && !_stopping)
            {
                await FlushAsync(Take(First()));
                continue;
            }

            lastTick = _clock.GetTimestamp();
            await FlushAsync(Take(All()));
            tick = TimeSpan.FromTicks(Math.Clamp(_clock.GetElapsedTime(lastTick).Ticks * 3, MinTick.Ticks, MaxTick.Ticks));
        }
    }

    private async Task<bool> IsUrgentWithinAsync(TimeSpan wait)
    {
        // The timer sets what is awaited anyway: no second task, and nothing that would continue elsewhere.
        var urgent = Volatile.Read(ref _urgent);
        await using var timer = _clock.CreateTimer(
            static urgent => ((TaskCompletionSource<bool>)urgent!).TrySetResult(false),
            urgent,
            wait,
            Timeout.InfiniteTimeSpan
        );
        return await urgent.Task;
    }

    private IEnumerable<RunningJob> First()
    {
        while (_first.TryDequeue(out var job))
        {
            yield return job;
        }
    }

    private IEnumerable<RunningJob> All()
    {
        _first.Clear();
        while (_dirty.Reader.TryRead(out var job))
        {
            yield return job;
        }
    }

    private static List<LeasedWrite> Take(IEnumerable<RunningJob> next)
    {
        // The jobs first, each once, then what each has to write: a job that gets new text after it was asked schedules itself for the
        // next flush, and must not be in this one twice.
        var jobs = next.ToHashSet();
        var writes = new List<LeasedWrite>(jobs.Count);
        foreach (var job in jobs)
        {
            var write = job.Take();
            if (job.IsLost)
            {
                job.Abandon();
            }
            else if (write.Events.Count > 0)
            {
                writes.Add(write);
            }
        }

        // Sorted: two workers' statements lock rows in the same order.
        writes.Sort((left, right) => left.Lease.JobId.CompareTo(right.Lease.JobId));
        return writes;
    }

    /// <param name="writes">What to write, sorted by job.</param>
    /// <param name="unsure">Whether an earlier try may have been committed.</param>
    private async Task FlushAsync(List<LeasedWrite> writes, bool unsure = false)
    {
        var delay = MinTick;
        while (writes.Count > 0)
        {
            IReadOnlySet<Guid> written;
            try
            {
                written = await _statement.RunAsync(writes, unsure);
            }
            catch (Exception failure)
            {
                if (_stopping || !_storage.Report(failure))
                {
                    await RefuseAsync(writes, failure);
                    return;
                }

                // The commit may have happened: the next try asks before it writes again.
                unsure = true;
                await Task.Delay(delay, _clock);
                delay = delay * 2 < MaxRetryDelay ? delay * 2 : MaxRetryDelay;
                foreach (var lost in writes.Where(write => write.Running.IsLost))
                {
                    lost.Running.Abandon();
                }

                writes.RemoveAll(write => write.Running.IsLost);
                continue;
            }

            Settle(writes, written);
            return;
        }
    }

    /// <summary>One row that Postgres refuses must not take its neighbours with it; and a worker that stops does not wait for Postgres.</summary>
    private async Task RefuseAsync(List<LeasedWrite> writes, Exception refusal)
    {
        if (writes.Count == 1 || _stopping)
        {
            foreach (var running in writes.Select(write => write.Running))
            {
                // Safe to go on: the lease expires and the rescuer takes the job; the others keep their writer.
                _logger.LeasedWriteRefused(refusal, running.Job.Lease.JobId, running.Job.Attempt);
                running.FailEnd(refusal);
                running.Abandon();
            }

            return;
        }

        foreach (var write in writes)
        {
            // A statement before the refused one may have been committed.
            await FlushAsync([write], unsure: true);
        }
    }

    private void Settle(List<LeasedWrite> writes, IReadOnlySet<Guid> written)
    {
        var committed = new List<JobEventRecord>();
        List<Guid>? queued = null;
        foreach (var write in writes)
        {
            var running = write.Running;
            if (!written.Contains(write.Lease.JobId))
            {
                Interlocked.Increment(ref _fencedCount);
                _metrics.FencedWrite();
                _logger.LeaseLost(write.Lease.JobId, running.Job.Attempt);
                running.Abandon();
                continue;
            }

            var seq = write.AfterSeq;
            foreach (var pending in write.Events)
            {
                committed.Add(new JobEventRecord(write.Lease.JobId, ++seq, pending.Kind, pending.Data));
            }

            running.LastSeq = seq;
            if (write.End is not null)
            {
                running.CompleteEnd();
                Interlocked.Add(ref _endedCount, write.End.Status.IsTerminal() ? 1 : 0);
                if (write.End.Status == JobStatus.Queued)
                {
                    (queued ??= []).Add(write.Lease.JobId);
                }
            }
        }

        _signals.Committed(committed);
        if (queued is not null)
        {
            _signals.Queued(queued);
        }
    }
}
