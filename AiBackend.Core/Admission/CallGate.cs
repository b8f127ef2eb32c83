using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Money;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Admission;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Admission;

/// <summary>Reserves every call in Postgres, where all workers see the same numbers: what its deployment allows, and what it may cost.</summary>
internal sealed class CallGate(
    CallLedger ledger,
    PriceBook prices,
    TokenEstimates estimates,
    IOptions<AdmissionOptions> options,
    TimeProvider clock
) : ICallGate
{
    private static readonly OpenGate Open = new();

    /// <summary>How often the first in line asks when it has not been told; as reserve_call tells it.</summary>
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(250);

    /// <summary>A process in which each call is late again and again makes none: others may do better.</summary>
    private const int MostRenewals = 3;

    // Of the windows of measurements slots are so short that each call of a busy process would be late.
    private static readonly TimeSpan ShortestSlot = TimeSpan.FromMilliseconds(100);

    /// <summary>A call may arrive this much later than it was counted, see 0068_finer_windows.sql.</summary>
    private readonly TimeSpan _slot = options.Value.Window / 120 > ShortestSlot ? options.Value.Window / 120 : ShortestSlot;

    public async ValueTask<CallEntry> EnterAsync(
        ChatDeployment deployment,
        CallSize size,
        ChatCaller caller,
        CancellationToken cancellationToken
    )
    {
        if (!deployment.Limits.Any && caller.Payer is null)
        {
            return await Open.EnterAsync(deployment, size, caller, cancellationToken);
        }

        var began = clock.GetTimestamp();
        var price = caller.Payer is null ? null : await prices.FindAsync(deployment.Provider, deployment.Model, cancellationToken);
        var kind = new EstimateKind(deployment.FullName, caller.Payer?.TenantId ?? default, caller.Payer?.Feature);
        var ((input, output), most) = (estimates.Of(kind, size), estimates.MostOf(kind, size));
        if (caller.Payer?.Run?.MaxTokens is not null)
        {
            // Then the run's tokens hold whatever the answer, as its money does. What was not used comes back.
            output = most ?? output;
        }

        var longest = most is null ? deployment.LongestAnswer(input, output) : (long?)null;
        var reservation = new Reservation(deployment, caller, input, output, price)
        {
            MaxOutput = most,
            Longest = longest,
            Excess = estimates.ExcessOf(kind),
        };
        if (ledger.EndingOf(caller.WorkId) is { } ending)
        {
            // What the work's last call leaves is known when it is booked.
            await ledger.SettledAsync(ending, cancellationToken);
        }

        return await AskAsync(new Permit(this, kind, size, reservation, default), began, cancellationToken);
    }

    /// <summary>Until it is admitted, refused, or has waited for as long as it may.</summary>
    private async Task<CallEntry> AskAsync(Permit asked, long began, CancellationToken cancellationToken)
    {
        var deployment = asked.Reservation.Deployment.FullName;
        // Null is whoever was not called, or asks for itself alone.
        Called? called = ledger.Freed.IsInLine(deployment, asked.Reservation.Caller.Level)
            ? await StandInLineAsync(asked.Reservation, Look, ledger.Freed.Count(deployment), began, cancellationToken)
            : null;
        try
        {
            while (true)
            {
                var ended = ledger.Freed.Count(deployment);
                (asked, var answer) = await AskOnceAsync(asked, cancellationToken);
                if (answer.IsAdmitted)
                {
                    if (called is not (null or Called.Freed))
                    {
                        ledger.Freed.Invite(deployment);
                    }

                    called = null;
                    return new CallEntry.Admitted(asked with { Reserved = answer, Reservation = asked.Reservation.Within(answer) });
                }

                if (Refusal(answer) is { } refusal)
                {
                    return refusal;
                }

                // Full by another limit, it would be so for the next one too.
                called = null;
                if (clock.GetElapsedTime(began) + answer.Delay > options.Value.Patience)
                {
                    return new CallEntry.Full(answer.BlockedBy, answer.Delay);
                }

                called = await ComeBackAsync(asked.Reservation, answer, ended, began, cancellationToken);
                // Called earlier than it was told to come back, it is still behind those who wait for what is counted over a minute.
                if (called == Called.TimeUp || !asked.Reservation.Deployment.Limits.AnyPerMinute)
                {
                    asked = asked with { Reservation = WithTurn(asked.Reservation) };
                }
            }
        }
        finally
        {
            // Refused for itself, or stopped: the place is there for another.
            if (called is { } unused)
            {
                ledger.Freed.PassOn(deployment, unused);
            }
        }
    }

    /// <summary>Asks once, and once more when there is a newer price than the one it knew.</summary>
    private async Task<(Permit Asked, Reserved Answer)> AskOnceAsync(Permit asked, CancellationToken cancellationToken)
    {
        var answer = await ledger.ReserveAsync(asked.Reservation, cancellationToken);
        if (
            answer.IsAdmitted
            || asked.Reservation.Price is not null
            || !answer.BlockedBy.StartsWith("budget:unpriced:", StringComparison.Ordinal)
        )
        {
            return (asked, answer);
        }

        // It may have been given one a moment ago; and else its job waits for minutes.
        var deployment = asked.Reservation.Deployment;
        var newest = await prices.FindNewestAsync(deployment.Provider, deployment.Model, cancellationToken);
        if (newest is null)
        {
            return (asked, answer);
        }

        asked = asked with { Reservation = asked.Reservation with { Price = newest } };
        return (asked, await ledger.ReserveAsync(asked.Reservation, cancellationToken));
    }

    private static Reservation WithTurn(Reservation reservation) =>
        reservation with
        {
            Caller = reservation.Caller with { TurnAt = reservation.Deployment.FullName },
        };

    /// <summary>Until the time to come back that it was told, or earlier when a place is handed to it.</summary>
    private async Task<Called> ComeBackAsync(
        Reservation reservation,
        Reserved answer,
        long ended,
        long began,
        CancellationToken cancellationToken
    )
    {
        if (answer.BlockedBy == Reserved.ConcurrentCalls)
        {
            return await StandInLineAsync(reservation, answer.Delay, ended, began, cancellationToken);
        }

        await Task.Delay(answer.Delay, clock, cancellationToken);
        return Called.TimeUp;
    }

    /// <summary>Until it may look whether there is room, or a place is handed to it.</summary>
    private Task<Called> StandInLineAsync(
        Reservation reservation,
        TimeSpan look,
        long ended,
        long began,
        CancellationToken cancellationToken
    )
    {
        var patience = options.Value.Patience - clock.GetElapsedTime(began);
        var wait = new LineWait(reservation.Caller.Level, began, look, patience);
        return ledger.Freed.WaitAsync(reservation.Deployment.FullName, wait, ended, clock, cancellationToken);
    }

    /// <returns>Null when it is a limit of the deployment's that is in the way.</returns>
    private static CallEntry.Unpaid? Refusal(Reserved answer) =>
        answer.BlockedBy == Reserved.LeaseIsOver
            ? throw new OperationCanceledException("The work has passed on to another owner; this call is not made.")
        : answer.BlockedBy is CallEntry.Unpaid.MaxCost or CallEntry.Unpaid.RunCost or CallEntry.Unpaid.RunTokens
        || answer.BlockedBy.StartsWith("budget:", StringComparison.Ordinal)
            ? new CallEntry.Unpaid(answer.BlockedBy, answer.Delay)
        : null;

    private bool IsLate(Permit permit) =>
        permit.Reserved.Slot is not null
        && clock.GetElapsedTime(permit.Reserved.At) > _slot
        && permit.Reservation.Deployment.Limits.AnyPerMinute;

    /// <summary>Its row of the ledger is kept, so that it is paid for once, unless the call is not made.</summary>
    private async ValueTask<CallEntry> RenewAsync(Permit late, CancellationToken cancellationToken)
    {
        CallEntry? entry = null;
        try
        {
            await ledger.GiveBackAsync(Settlement.Cancelled(late.Reservation, late.Reserved), cancellationToken);
            var again = late with { Reservation = WithTurn(late.Reservation), Reserved = default, Renewals = late.Renewals + 1 };
            return entry =
                again.Renewals > MostRenewals
                    ? new CallEntry.Full(again.Reservation.Deployment.Limits.FirstPerMinute!, _slot)
                    : await AskAsync(again, clock.GetTimestamp(), cancellationToken);
        }
        finally
        {
            if (entry is not CallEntry.Admitted)
            {
                Cancel(late.Reservation, default);
            }
        }
    }

    private void Settle(EstimateKind kind, CallSize size, JobUsage? usage, Settlement settlement)
    {
        if (usage is not null)
        {
            estimates.Learn(kind, size, usage);
        }

        ledger.Settle(settlement);
    }

    private Task<bool> ConfirmAsync(ChatCaller caller, CancellationToken cancellationToken) =>
        ledger.ConfirmAsync(caller, cancellationToken);

    private void Cancel(Reservation reservation, Reserved reserved) => ledger.Settle(Settlement.Cancelled(reservation, reserved));

    private sealed record Permit(CallGate Gate, EstimateKind Kind, CallSize Size, Reservation Reservation, Reserved Reserved) : ICallPermit
    {
        /// <summary>How often it was late.</summary>
        public int Renewals { get; init; }

        public bool IsLate => Gate.IsLate(this);

        public string? CallId => Reservation.Caller.Payer is null ? null : Reservation.Caller.CallId;

        public int? MaxOutputTokens => Reservation.Bound;

        public ValueTask<bool> ConfirmAsync(CancellationToken cancellationToken) =>
            Reserved.State is CallState.Reserved
                ? new(Gate.ConfirmAsync(Reservation.Caller, cancellationToken))
                : ValueTask.FromResult(true);

        public ValueTask<CallEntry> RenewAsync(CancellationToken cancellationToken) => Gate.RenewAsync(this, cancellationToken);

        public decimal? CostOf(JobUsage usage) => Reservation.Price?.Rates.CostOf(usage);

        public JobUsage? UsageOfCut(long written) =>
            written > (Reservation.MaxOutput ?? Reservation.Output) ? new JobUsage(Reservation.Input, 0, written, CostUsd: null) : null;

        public void Settle(JobUsage? usage, bool isFree, bool isDisputed) =>
            Gate.Settle(
                Kind,
                Size with
                {
                    MaxOutputTokens = Size.MaxOutputTokens ?? (usage?.OutputTokens >= Reservation.Bound ? Reservation.Bound : null),
                },
                usage,
                Settlement.Of(Reservation, Reserved, usage, isFree) with
                {
                    IsDisputed = isDisputed,
                }
            );

        public void Cancel() => Gate.Cancel(Reservation, Reserved);
    }
}
