using System.Collections.Concurrent;
using AiBackend.Core.Database;
using AiBackend.Core.Providers.Admission;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace AiBackend.Core.Admission;

/// <summary>
/// The calls of this process on their way through Postgres (0012_limits.sql, 0015c_calls.sql): reserved before they are sent, settled
/// when they have ended, many in one round trip.
/// </summary>
/// <remarks>
/// Rows are locked for the decision: the numbers are never those of two workers at odds and never lost with a cache. Why not Redis:
/// docs/adr/0010. A repeat after a lost reply pays once and counts, for one window, twice, but gives nothing back twice.
/// </remarks>
internal sealed class CallLedger : IAsyncDisposable
{
    private const int MaxBatch = 256;
    private const int Capacity = 10_000;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan BetweenSettlements = TimeSpan.FromMilliseconds(50);

    private readonly CallStatements _statements;
    private readonly IStorageWatch _storage;
    private readonly ILogger<CallLedger> _logger;
    private readonly CommitLoop<Pending<Reservation, Reserved>> _reserving;
    private readonly CommitLoop<Pending<ChatCaller, bool>> _confirming;
    private readonly CommitLoop<Settlement> _settling;
    private readonly SemaphoreSlim _hurry = new(0);

    /// <summary>Until the last call of a work that has ended is booked.</summary>
    private readonly ConcurrentDictionary<Guid, Task> _ending = new();
    private volatile bool _isStopping;

    public CallLedger(
        NpgsqlDataSource database,
        IStorageWatch storage,
        IOptions<AdmissionOptions> options,
        TimeProvider clock,
        ILogger<CallLedger> logger
    )
    {
        _statements = new CallStatements(database, options.Value.Window, clock);
        _storage = storage;
        _logger = logger;
        _reserving = new(Capacity, MaxBatch, batch => AnswerAsync(InOrder(batch), _statements.ReserveAsync));
        _confirming = new(Capacity, MaxBatch, batch => AnswerAsync(batch, _statements.ConfirmAsync));
        _settling = new(Capacity, MaxBatch, SettleAsync);
    }

    /// <summary>Who waits here for the end of a call.</summary>
    public FreedCalls Freed { get; } = new();

    /// <summary>Writes a call down and sets aside what it needs, or says when to come back. Waits for an absent Postgres.</summary>
    public Task<Reserved> ReserveAsync(Reservation reservation, CancellationToken cancellationToken) =>
        AskAsync(_reserving, reservation, answer => Forget(reservation, answer), cancellationToken);

    /// <summary>Notes that a reserved call is sent now.</summary>
    /// <returns>False when its reservation is gone.</returns>
    public Task<bool> ConfirmAsync(ChatCaller call, CancellationToken cancellationToken) =>
        AskAsync(_confirming, call, null, cancellationToken);

    /// <summary>Without waiting. What gets lost is unknown spend: the leader books it.</summary>
    public void Settle(Settlement settlement)
    {
        if (settlement.Booked is { } booked)
        {
            _ending[settlement.Reservation.Caller.WorkId] = booked.Task;
        }

        if (!_settling.TryAdd(settlement))
        {
            _logger.SettlementFailed(null, 1);
            NoteBooked(settlement);
        }
        else if (FreesRoom(settlement))
        {
            Hurry();
        }
    }

    /// <summary>What the work's last call has used is being booked; null when nothing is.</summary>
    public Task? EndingOf(Guid workId) => _ending.GetValueOrDefault(workId);

    /// <summary>Until it is booked.</summary>
    public Task SettledAsync(Task ending, CancellationToken cancellationToken)
    {
        Hurry();
        return ending.WaitAsync(cancellationToken);
    }

    /// <summary>Gives back what a call has reserved of its deployment's limits, and leaves it in the ledger: it is reserved anew.</summary>
    /// <remarks>Cancelled, it is done all the same.</remarks>
    public Task GiveBackAsync(Settlement unsent, CancellationToken cancellationToken) =>
        UntilDoneAsync(isRepeat => _statements.GiveBackAsync([unsent], isRepeat), 1).WaitAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        _isStopping = true;
        await _reserving.DisposeAsync();
        await _confirming.DisposeAsync();
        await _settling.DisposeAsync();
        _hurry.Dispose();
    }

    private void Hurry()
    {
        if (_hurry.CurrentCount == 0 && !_isStopping)
        {
            _hurry.Release();
        }
    }

    private void NoteBooked(Settlement settlement)
    {
        if (settlement.Booked is { } booked)
        {
            booked.TrySetResult();
            _ending.TryRemove(new(settlement.Reservation.Caller.WorkId, booked.Task));
        }
    }

    /// <summary>Whether others wait for the end of the call.</summary>
    private static bool FreesRoom(Settlement settlement) =>
        settlement.Slot is not null && settlement.Reservation.Deployment.Limits.ConcurrentCalls is not null;

    /// <summary>Whoever asked for it has left before he was answered: nobody else would give it back.</summary>
    private void Forget(Reservation reservation, Reserved answer)
    {
        if (answer.IsAdmitted)
        {
            Settle(Settlement.Cancelled(reservation, answer));
        }
    }

    /// <summary>Rows are locked in this order; and in a deployment the urgent go first.</summary>
    private static List<Pending<Reservation, Reserved>> InOrder(IEnumerable<Pending<Reservation, Reserved>> batch) =>
        [
            .. batch
                .OrderBy(call => call.Asks.Deployment.FullName, StringComparer.Ordinal)
                .ThenBy(call => !call.Asks.HasTurn)
                .ThenBy(call => call.Asks.Caller.Level),
        ];

    private async Task<TAnswer> AskAsync<TAsk, TAnswer>(
        CommitLoop<Pending<TAsk, TAnswer>> loop,
        TAsk asks,
        Action<TAnswer>? forget,
        CancellationToken cancellationToken
    )
    {
        while (true)
        {
            await _storage.WaitUntilBackAsync(cancellationToken);
            var pending = new Pending<TAsk, TAnswer>(asks);
            if (!loop.TryAdd(pending))
            {
                throw new InvalidOperationException($"More than {Capacity} calls wait to be written down.");
            }

            try
            {
                return await pending.Answer.Task.WaitAsync(cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                if (forget is not null)
                {
                    _ = pending.Answer.Task.ContinueWith(
                        answer => forget(answer.Result),
                        CancellationToken.None,
                        TaskContinuationOptions.OnlyOnRanToCompletion | TaskContinuationOptions.ExecuteSynchronously,
                        TaskScheduler.Default
                    );
                }

                throw;
            }
            catch (Exception failure) when (_storage.Report(failure))
            {
                // It may be done; then the next answer says so.
                await Task.Delay(Pause, cancellationToken);
            }
        }
    }

    private static async Task AnswerAsync<TAsk, TAnswer>(
        IReadOnlyList<Pending<TAsk, TAnswer>> batch,
        Func<IReadOnlyList<TAsk>, Task<TAnswer[]>> statement
    )
    {
        try
        {
            var asks = batch.Select(pending => pending.Asks).ToList();
            // None: whoever gave up waiting is one of many.
            var answers = await TransientRetry.RunAsync(_ => statement(asks), CancellationToken.None);
            for (var i = 0; i < answers.Length; i++)
            {
                batch[i].Answer.TrySetResult(answers[i]);
            }
        }
        catch (Exception failure)
        {
            foreach (var pending in batch)
            {
                pending.Answer.TrySetException(failure);
            }
        }
    }

    /// <summary>First what others wait for, then the ledger.</summary>
    private async Task SettleAsync(IReadOnlyList<Settlement> batch)
    {
        var counted = batch.Where(settlement => settlement.Slot is not null).ToList();
        if (counted.Count > 0 && await UntilDoneAsync(isRepeat => _statements.GiveBackAsync(counted, isRepeat), counted.Count))
        {
            foreach (var ended in counted.Where(FreesRoom).CountBy(settlement => settlement.Reservation.Deployment.FullName))
            {
                Freed.Free(ended.Key, ended.Value);
            }
        }

        var paid = batch.Where(settlement => settlement.Reservation.Caller.Payer is not null).ToList();
        var isDone = paid.Count == 0 || await UntilDoneAsync(_ => _statements.SettleAsync(paid), paid.Count);
        paid.ForEach(NoteBooked);
        if (isDone && !_isStopping)
        {
            // Fewer, larger ones leave more of the machine to calls, as long as nobody waits for them.
            await _hurry.WaitAsync(BetweenSettlements);
        }
    }

    /// <param name="statement">Is told whether it may be done already.</param>
    /// <param name="calls">How many it is about.</param>
    /// <returns>False when it could not be done.</returns>
    private async Task<bool> UntilDoneAsync(Func<bool, Task<int>> statement, int calls)
    {
        var isRepeat = false;
        while (true)
        {
            try
            {
                await TransientRetry.RunAsync(_ => statement(isRepeat), CancellationToken.None);
                return true;
            }
            catch (Exception failure) when (_storage.Report(failure) && !_isStopping)
            {
                // A call that is open for too long meanwhile is booked as unknown, and corrected then.
                isRepeat = true;
                await Task.Delay(Pause);
            }
            catch (Exception failure)
            {
                // Safe to go on: what was reserved counts as spent once the leader finds it.
                _logger.SettlementFailed(failure, calls);
                return false;
            }
        }
    }

    private sealed record Pending<TAsk, TAnswer>(TAsk Asks)
    {
        public TaskCompletionSource<TAnswer> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
