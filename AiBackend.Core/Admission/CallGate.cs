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
        var (input, output) = estimates.Of(kind, size);
        var reservation = new Reservation(deployment, caller, input, output, price) { MaxOutput = size.MaxOutputTokens };
        while (true)
        {
            var ended = ledger.Freed.Count(deployment.FullName);
            var answer = await ledger.ReserveAsync(reservation, cancellationToken);
            if (answer.Slot is not null || answer.State is not null)
            {
                return new CallEntry.Admitted(new Permit(this, kind, size, reservation, answer));
            }

            if (reservation.Price is null && answer.BlockedBy.StartsWith("budget:unpriced:", StringComparison.Ordinal))
            {
                // It may have been given one a moment ago; and else its job waits for minutes.
                var newest = await prices.FindNewestAsync(deployment.Provider, deployment.Model, cancellationToken);
                if (newest is not null)
                {
                    reservation = reservation with { Price = newest };
                    continue;
                }
            }

            if (Refusal(answer) is { } refusal)
            {
                return refusal;
            }

            if (clock.GetElapsedTime(began) + answer.Delay > options.Value.Patience)
            {
                return new CallEntry.Full(answer.BlockedBy, answer.Delay);
            }

            var hasTurn = await WaitAsync(deployment, caller, answer, ended, cancellationToken);
            reservation = reservation with { Caller = reservation.Caller with { HasTurn = hasTurn || reservation.Caller.HasTurn } };
        }
    }

    /// <summary>Until it was told to come back, or a place is handed to it.</summary>
    /// <returns>Whether its turn has come: called earlier, it is still behind those who wait for what is counted over a minute.</returns>
    private async Task<bool> WaitAsync(
        ChatDeployment deployment,
        ChatCaller caller,
        Reserved answer,
        long ended,
        CancellationToken cancellationToken
    )
    {
        if (answer.BlockedBy == Reserved.ConcurrentCalls)
        {
            var isUp = await ledger.Freed.WaitAsync(deployment.FullName, caller.Level, ended, answer.Delay, clock, cancellationToken);
            return isUp || !deployment.Limits.AnyPerMinute;
        }

        await Task.Delay(answer.Delay, clock, cancellationToken);
        return true;
    }

    /// <returns>Null when it is a limit of the deployment's that is in the way.</returns>
    private static CallEntry.Unpaid? Refusal(Reserved answer) =>
        answer.BlockedBy == Reserved.LeaseIsOver
            ? throw new OperationCanceledException("The work has passed on to another owner; this call is not made.")
        : answer.BlockedBy is CallEntry.Unpaid.MaxCost or CallEntry.Unpaid.RunCost or CallEntry.Unpaid.RunTokens
        || answer.BlockedBy.StartsWith("budget:", StringComparison.Ordinal)
            ? new CallEntry.Unpaid(answer.BlockedBy, answer.Delay)
        : null;

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

    private sealed class Permit(CallGate gate, EstimateKind kind, CallSize size, Reservation reservation, Reserved reserved) : ICallPermit
    {
        public string? CallId => reservation.Caller.Payer is null ? null : reservation.Caller.CallId;

        public ValueTask<bool> ConfirmAsync(CancellationToken cancellationToken) =>
            reserved.State is CallState.Reserved
                ? new(gate.ConfirmAsync(reservation.Caller, cancellationToken))
                : ValueTask.FromResult(true);

        public decimal? CostOf(JobUsage usage) => reservation.Price?.Rates.CostOf(usage);

        public void Settle(JobUsage? usage, bool isFree, bool isDisputed) =>
            gate.Settle(kind, size, usage, Settlement.Of(reservation, reserved, usage, isFree) with { IsDisputed = isDisputed });

        public void Cancel() => gate.Cancel(reservation, reserved);
    }
}
