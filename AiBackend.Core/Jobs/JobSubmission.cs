using AiBackend.Core.Database;
using AiBackend.Core.Faults;
using AiBackend.Core.Jobs.Telemetry;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace AiBackend.Core.Jobs;

/// <summary>How a submission ended.</summary>
public abstract record SubmitOutcome
{
    private SubmitOutcome() { }

    /// <summary>A new job is committed.</summary>
    /// <param name="CreatedAt">Postgres' time of the commit's transaction.</param>
    public sealed record Accepted(DateTimeOffset CreatedAt) : SubmitOutcome;

    /// <summary>The same request was accepted before under this key.</summary>
    /// <param name="JobId">The job of then.</param>
    public sealed record Replayed(Guid JobId) : SubmitOutcome;

    /// <summary>The key was used for another request; nothing was written.</summary>
    /// <param name="JobId">The job of then.</param>
    public sealed record KeyReused(Guid JobId) : SubmitOutcome;

    /// <summary>Another job of its conversation is open, and it was not to wait for that; nothing was written.</summary>
    /// <param name="JobId">The other job.</param>
    public sealed record ConversationBusy(Guid JobId) : SubmitOutcome;

    /// <summary>Too many submissions wait for their commit; nothing was written.</summary>
    public sealed record Overloaded : SubmitOutcome;
}

/// <summary>Accepts jobs: durable before the answer, in groups so that many callers share one commit.</summary>
public sealed class JobSubmission : IAsyncDisposable
{
    private const int MaxBatch = 512;

    // Two seconds of work at the goal's rate: beyond that the caller is better served by an immediate 503.
    private const int MaxWaiting = 20_000;

    // Inputs of up to 1 MiB each: a count alone would let a stalled Postgres fill the memory.
    private const long MaxWaitingCharacters = 64 * 1024 * 1024;
    private const long MaxBatchCharacters = 4 * 1024 * 1024;

    private readonly IJobStore _store;
    private readonly ResolveRepeats _repeats;
    private readonly IJobSignals _signals;
    private readonly JobMetrics _metrics;
    private readonly ILogger<JobSubmission> _logger;
    private readonly CommitLoop<PendingSubmission> _loop;
    private long _waitingCharacters;

    /// <summary>Starts the loop that commits.</summary>
    public JobSubmission(IJobStore store, IJobSignals signals, JobMetrics metrics, ILogger<JobSubmission> logger)
    {
        _store = store;
        _repeats = new ResolveRepeats(store);
        _signals = signals;
        _metrics = metrics;
        _logger = logger;
        _loop = new CommitLoop<PendingSubmission>(MaxWaiting, MaxBatch, CommitAsync);
    }

    /// <summary>Returns once the job is committed, or was found to exist.</summary>
    /// <exception cref="NpgsqlException">
    /// Postgres did not confirm. The job may or may not exist; the same request with the same idempotency key converges to one job.
    /// </exception>
    public Task<SubmitOutcome> SubmitAsync(JobDraft draft)
    {
        var pending = new PendingSubmission(draft);
        if (Interlocked.Add(ref _waitingCharacters, draft.Input.Length) <= MaxWaitingCharacters && _loop.TryAdd(pending))
        {
            return pending.Task;
        }

        Interlocked.Add(ref _waitingCharacters, -draft.Input.Length);
        return Task.FromResult<SubmitOutcome>(new SubmitOutcome.Overloaded());
    }

    /// <summary>For a request that would be refused if it were new: whether it is the repeat of one that was accepted.</summary>
    /// <returns><see cref="SubmitOutcome.Replayed"/> or <see cref="SubmitOutcome.KeyReused"/>; null when its key is new or has expired.</returns>
    /// <exception cref="NpgsqlException">Postgres could not be asked.</exception>
    public Task<SubmitOutcome?> FindRepeatAsync(JobDraft draft, CancellationToken cancellationToken) =>
        _repeats.FindAsync(draft, cancellationToken);

    /// <summary>Commits what waits, then stops.</summary>
    public ValueTask DisposeAsync() => _loop.DisposeAsync();

    private async Task CommitAsync(IReadOnlyList<PendingSubmission> batch)
    {
        foreach (var part in Split(batch))
        {
            try
            {
                await CommitPartAsync(part);
            }
            catch (Exception failure)
            {
                // The loop serves every later caller too: whatever goes wrong is told to those of this part, and ends there.
                foreach (var submission in part)
                {
                    submission.Fail(failure);
                }
            }

            Interlocked.Add(ref _waitingCharacters, -part.Sum(submission => (long)submission.Draft.Input.Length));
        }
    }

    private static IEnumerable<IReadOnlyList<PendingSubmission>> Split(IReadOnlyList<PendingSubmission> batch)
    {
        if (batch.Sum(submission => (long)submission.Draft.Input.Length) <= MaxBatchCharacters)
        {
            yield return batch;
            yield break;
        }

        var (part, characters) = (new List<PendingSubmission>(), 0L);
        foreach (var submission in batch)
        {
            if (part.Count > 0 && characters + submission.Draft.Input.Length > MaxBatchCharacters)
            {
                yield return part;
                (part, characters) = ([], 0);
            }

            part.Add(submission);
            characters += submission.Draft.Input.Length;
        }

        yield return part;
    }

    private async Task CommitPartAsync(IReadOnlyList<PendingSubmission> batch)
    {
        try
        {
            await CommitOnceAsync(batch);
        }
        catch (Exception failure) when (batch.Count > 1 || failure is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation })
        {
            // One bad row, or a deadlock with another node's batch, must not harm its neighbours; and a job that exists is accepted.
            await CommitOneByOneAsync(batch);
        }
        catch (Exception failure)
        {
            batch[0].Fail(failure);
        }
    }

    private async Task CommitOneByOneAsync(IReadOnlyList<PendingSubmission> batch)
    {
        Exception? outage = null;
        foreach (var submission in batch.Where(submission => !submission.IsDone))
        {
            try
            {
                // With Postgres gone, the first time-out speaks for all: callers must not queue up behind each other's.
                if (outage is null)
                {
                    await CommitOnceAsync([submission]);
                }
                else
                {
                    submission.Fail(outage);
                }
            }
            catch (PostgresException twice) when (twice.SqlState == PostgresErrorCodes.UniqueViolation)
            {
                // The batch was committed and only its reply was lost: nobody else makes this id, and a key is never violated.
                var createdAt = await _store.ReadCreatedAtAsync(submission.Draft.TenantId, submission.Draft.Id);
                Accept(submission, createdAt);
                _signals.Submitted(Offered([submission.Draft]));
            }
            catch (PostgresException failure) when (StorageFailures.Of(failure) is null)
            {
                _logger.SubmissionRefused(failure, submission.Draft.Id);
                submission.Fail(failure);
            }
            catch (Exception failure)
            {
                outage = failure;
                submission.Fail(failure);
            }
        }
    }

    private async Task CommitOnceAsync(IReadOnlyList<PendingSubmission> batch)
    {
        // Two requests with one key in one batch: the first is inserted, the other is resolved against it like any repeat.
        FaultPoints.Hit(FaultPoint.K1);
        var result = await _store.InsertAsync([.. batch.Select(submission => submission.Draft)]);
        FaultPoints.Hit(FaultPoint.K3);
        var queued = new List<JobDraft>(batch.Count);
        List<PendingSubmission>? repeats = null;
        foreach (var submission in batch)
        {
            if (submission.Draft.IdempotencyKey is not null && !result.Accepted.Contains(submission.Draft.Id))
            {
                (repeats ??= []).Add(submission);
                continue;
            }

            if (result.KeptOut.TryGetValue(submission.Draft.Id, out var open))
            {
                submission.Complete(new SubmitOutcome.ConversationBusy(open));
                continue;
            }

            queued.Add(submission.Draft);
            Accept(submission, result.CreatedAt);
        }

        if (queued.Count > 0)
        {
            FaultPoints.Hit(FaultPoint.K4);
            _signals.Submitted(Offered(queued));
        }

        if (repeats is not null)
        {
            await _repeats.RunAsync(repeats);
            // An expired key makes a new job, and a new job wants a worker.
            var renewed = repeats.Where(repeat => repeat.IsAccepted).Select(repeat => repeat.Draft).ToList();
            renewed.ForEach(draft => _metrics.Accepted(draft.Type));
            _signals.Submitted(Offered(renewed));
        }
    }

    /// <summary>Of which the stream is told: jobs that may start now, and that its readers may take.</summary>
    private static List<NewJob> Offered(IEnumerable<JobDraft> drafts) =>
        [
            .. drafts
                .Where(draft => draft is { NotBefore: null, Pool: JobDraft.DefaultPool, IsHeld: false })
                .Select(draft => new NewJob(draft.Id, draft.TenantId)),
        ];

    private void Accept(PendingSubmission submission, DateTimeOffset createdAt)
    {
        submission.Complete(new SubmitOutcome.Accepted(createdAt));
        _metrics.Accepted(submission.Draft.Type);
    }
}

/// <summary>A draft and the caller that waits for it.</summary>
internal sealed class PendingSubmission(JobDraft draft)
{
    private readonly TaskCompletionSource<SubmitOutcome> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public JobDraft Draft { get; } = draft;

    public Task<SubmitOutcome> Task => _done.Task;

    public bool IsDone => _done.Task.IsCompleted;

    /// <summary>It became a new job.</summary>
    public bool IsAccepted { get; private set; }

    public void Complete(SubmitOutcome outcome)
    {
        IsAccepted = outcome is SubmitOutcome.Accepted;
        _done.TrySetResult(outcome);
    }

    public void Fail(Exception failure) => _done.TrySetException(failure);
}
