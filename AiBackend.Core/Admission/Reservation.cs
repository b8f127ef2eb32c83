using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Money;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Admission;

namespace AiBackend.Core.Admission;

/// <summary>A call that asks to be made.</summary>
/// <param name="Deployment">Who is to be asked, and what it allows.</param>
/// <param name="Caller">Who asks, and who pays.</param>
/// <param name="Input">Estimated tokens of the prompt.</param>
/// <param name="Output">Estimated tokens of the answer.</param>
/// <param name="Price">As of now, and for this call from now on; null is unknown.</param>
internal sealed record Reservation(ChatDeployment Deployment, ChatCaller Caller, long Input, long Output, Price? Price)
{
    /// <summary>Tokens that the answer is billed for at most by its caller's bound; null is any number.</summary>
    public long? MaxOutput { get; init; }

    /// <summary>Tokens that it may have where money or tokens are limited, when its caller has set no bound; else null.</summary>
    public long? Longest { get; init; }

    /// <summary>Tokens that its provider has billed beyond what it was told.</summary>
    public long Excess { get; init; }

    /// <summary>What it costs then.</summary>
    public decimal? LongestAmount => Longest is { } longest ? Price?.Rates.EstimateOf(Input, longest + Excess) : null;

    /// <summary>The bound that was set because money or tokens are limited: its provider is told. Null is none.</summary>
    public int? Bound { get; private init; }

    /// <summary>It was told before to come back now.</summary>
    public bool HasTurn => Caller.TurnAt == Deployment.FullName;

    /// <summary>What it costs at most by the caller's word, or else is likely to cost: with less it is not made. Null when nobody knows.</summary>
    public decimal? Amount => Price?.Rates.EstimateOf(Input, MaxOutput ?? Math.Min(Output, Longest ?? Output));

    /// <summary>With the bound that what was set aside allows, where its caller has set none.</summary>
    /// <remarks>Budgets hold then whatever the answer, with a provider that keeps to the maximum. What was not used comes back.</remarks>
    public Reservation Within(Reserved answer)
    {
        if (Bound is not null || (answer.Amount is null && answer.Output is null))
        {
            // One that is counted anew has told its provider already.
            return this;
        }

        var affordable = answer.Amount is { } amount ? Price?.Rates.OutputWithin(amount, Input) - Excess : null;
        var bound = Math.Min(affordable ?? long.MaxValue, answer.Output - Excess ?? long.MaxValue);
        return this with { Bound = (int)Math.Clamp(bound, 1, Longest!.Value) };
    }
}

/// <summary>How a reservation was answered.</summary>
/// <param name="Slot">Where the call is counted; null when its deployment has no limits, or it was refused.</param>
/// <param name="State">How it stands in the ledger; null when it was refused.</param>
/// <param name="BlockedBy">What is in the way: a limit, <c>budget:…</c>, <c>max_cost</c>, a limit of the run, or <see cref="LeaseIsOver"/>.</param>
/// <param name="Delay">When to come back.</param>
internal readonly record struct Reserved(long? Slot, CallState? State, string BlockedBy, TimeSpan Delay)
{
    public const string LeaseIsOver = "lease";
    public const string ConcurrentCalls = "concurrent_calls";

    /// <summary>US dollars that it may cost, because money is limited and the caller sets no bound; else null.</summary>
    public decimal? Amount { get; init; }

    /// <summary>Tokens that the answer may have, because its run's are limited and the caller sets no bound; else null.</summary>
    public long? Output { get; init; }

    /// <summary>When it was asked for, by the clock's timestamp: it was counted no earlier.</summary>
    public long At { get; init; }

    public bool IsAdmitted => Slot is not null || State is not null;
}

/// <summary>How a call ended: what it used more, or less, than was reserved for it, and what it cost.</summary>
internal sealed record Settlement(Reservation Reservation, long? Slot, long MoreInput, long MoreOutput, CallState State)
{
    /// <summary>As the provider told; null when it did not.</summary>
    public JobUsage? Usage { get; private init; }

    /// <summary>Completed when it is in the ledger, or lost; null when nothing that it leaves is for the work's next call.</summary>
    public TaskCompletionSource? Booked { get; private init; }

    /// <summary>The provider told what cannot be true.</summary>
    public bool IsDisputed { get; init; }

    /// <summary>Null when it has no price, or what it used is unknown.</summary>
    public decimal? Cost { get; private init; }

    public static Settlement Of(Reservation reservation, Reserved reserved, JobUsage? usage, bool isFree) =>
        new(
            reservation,
            reserved.Slot,
            (usage?.InputTokens ?? reservation.Input) - reservation.Input,
            (usage?.OutputTokens ?? reservation.Output) - reservation.Output,
            usage is null && !isFree ? CallState.Unknown : CallState.Settled
        )
        {
            Booked = BookedOf(reservation, reserved),
            Usage = usage,
            Cost =
                usage is not null ? reservation.Price?.Rates.CostOf(usage)
                : isFree ? 0
                : null,
        };

    public static Settlement Cancelled(Reservation reservation, Reserved reserved) =>
        new(reservation, reserved.Slot, -reservation.Input, -reservation.Output, CallState.Released)
        {
            Booked = BookedOf(reservation, reserved),
        };

    /// <summary>It took from budgets, or its work has a limit of its own.</summary>
    private static TaskCompletionSource? BookedOf(Reservation reservation, Reserved reserved) =>
        reserved.State is CallState.Reserved || reservation.Caller.Payer is { MaxCostUsd: not null } or { Run: not null }
            ? new(TaskCreationOptions.RunContinuationsAsynchronously)
            : null;
}
