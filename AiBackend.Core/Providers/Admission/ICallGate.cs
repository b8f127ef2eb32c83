using System.Globalization;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Core.Providers.Admission;

/// <summary>Keeps calls within what their provider allows, over all workers together. Asked before every call.</summary>
public interface ICallGate
{
    /// <summary>Counts a call in. A short wait happens here.</summary>
    /// <param name="deployment">Who is to be asked.</param>
    /// <param name="size">What for.</param>
    /// <param name="caller">By whom.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    ValueTask<CallEntry> EnterAsync(ChatDeployment deployment, CallSize size, ChatCaller caller, CancellationToken cancellationToken);
}

/// <summary>What is known of a call before it is made.</summary>
/// <param name="PromptCharacters">Of all messages together.</param>
/// <param name="MaxOutputTokens">The caller's own bound; null is none.</param>
public readonly record struct CallSize(int PromptCharacters, int? MaxOutputTokens)
{
    /// <summary>About right for English, and too much for code and numbers.</summary>
    private const int CharactersPerToken = 4;

    /// <summary>First guess at the tokens of the prompt.</summary>
    public long PromptTokens => (PromptCharacters + CharactersPerToken - 1) / CharactersPerToken;
}

/// <summary>The work a call belongs to.</summary>
/// <param name="WorkId">Names it.</param>
/// <param name="Epoch">Which of its owners asks: a call counts as open only while that one lives.</param>
/// <param name="Level">0 is the most urgent, 2 the least.</param>
/// <param name="TurnAt">The deployment that told it before to come back now; null is none.</param>
/// <param name="TimeLeft">Until it is of no more use; null is for ever.</param>
public readonly record struct ChatCaller(Guid WorkId, int Epoch, int Level, string? TurnAt = null, TimeSpan? TimeLeft = null)
{
    /// <summary>When the work was accepted, by the clock of this process.</summary>
    public DateTimeOffset AcceptedAt { get; init; }

    /// <summary>It goes to a faster model for a while where its route has one, because others wait too long.</summary>
    public bool IsMoved { get; init; }

    /// <summary>Who pays; null is nobody, and then nothing is written down.</summary>
    public CallPayer? Payer { get; init; }

    /// <summary>Which of the owner's calls this is, from 0: with the work and its epoch it names the call for good.</summary>
    public int Call { get; init; }

    /// <summary>The call's name for the provider, who writes it into its own log.</summary>
    internal string CallId => string.Create(CultureInfo.InvariantCulture, $"{WorkId}-{Epoch}-{Call}");
}

/// <summary>Who pays for a call, and for what.</summary>
/// <param name="TenantId">The tenant.</param>
/// <param name="KeyId">Public id of the API key that handed the work over; null when unknown.</param>
/// <param name="Feature">The caller's feature.</param>
/// <param name="EndUser">The caller's own user.</param>
/// <param name="MaxCostUsd">What all calls of the work together may cost; null is no limit of its own.</param>
public sealed record CallPayer(Guid TenantId, string? KeyId, string? Feature, string? EndUser, decimal? MaxCostUsd)
{
    /// <summary>What the work is part of, with limits for all of it; null is nothing.</summary>
    public CallRun? Run { get; init; }
}

/// <summary>Work of several parts whose calls have limits together.</summary>
/// <param name="Id">Names it.</param>
/// <param name="MaxCostUsd">US dollars; null is no limit.</param>
/// <param name="MaxTokens">Tokens of input and output; null is no limit.</param>
public sealed record CallRun(Guid Id, decimal? MaxCostUsd, long? MaxTokens);

/// <summary>The gate's answer.</summary>
public abstract record CallEntry
{
    private CallEntry() { }

    /// <summary>The call may be made.</summary>
    /// <param name="Permit">To be told how it ended.</param>
    public sealed record Admitted(ICallPermit Permit) : CallEntry;

    /// <summary>Not now; nothing was counted.</summary>
    /// <param name="Limit">The limit that is in the way.</param>
    /// <param name="Delay">When to come back: a place in the line is kept until then.</param>
    public sealed record Full(string Limit, TimeSpan Delay) : CallEntry;

    /// <summary>An operator holds the provider back.</summary>
    public sealed record Held : CallEntry;

    /// <summary>There is no money for it; nothing was counted.</summary>
    /// <param name="Reason"><c>budget:…</c>, which there may be again, or one of those that end the work.</param>
    /// <param name="Delay">When the budget begins anew.</param>
    public sealed record Unpaid(string Reason, TimeSpan Delay) : CallEntry
    {
        /// <summary>What the work itself may cost does not cover the call.</summary>
        public const string MaxCost = "max_cost";

        /// <summary>What the run may cost that the work is part of.</summary>
        public const string RunCost = "run_cost";

        /// <summary>The tokens that the run may use that the work is part of.</summary>
        public const string RunTokens = "run_tokens";
    }
}

/// <summary>A call that was counted in.</summary>
public interface ICallPermit
{
    /// <summary>The call's name for the provider; null when it has none.</summary>
    string? CallId { get; }

    /// <summary>What the answer may have at most, whose caller sets no bound, for what was set aside to do; null is any number.</summary>
    int? MaxOutputTokens { get; }

    /// <summary>The last word before the request is sent: from then on it may cost money whatever becomes of us.</summary>
    /// <returns>False when it must not be sent, because the work has passed on to another owner.</returns>
    ValueTask<bool> ConfirmAsync(CancellationToken cancellationToken);

    /// <returns>What this usage costs; null when there is no price.</returns>
    decimal? CostOf(JobUsage usage);

    /// <summary>Whether it was counted in so long ago that a call made now falls into another part of its deployment's window.</summary>
    bool IsLate { get; }

    /// <summary>Counts a late call in anew, as if it had only now been asked for; what was counted before counts as nothing.</summary>
    /// <returns>The leave to make it, or why it is not made now. Either way this permit is over, and nothing is left to settle.</returns>
    ValueTask<CallEntry> RenewAsync(CancellationToken cancellationToken);

    /// <summary>What a call has used at least of which its provider has told nothing, because it broke off, or was stopped.</summary>
    /// <param name="written">Tokens that were read of its answer.</param>
    /// <returns>Null when no more was read than the answer was told to have, or was likely to.</returns>
    JobUsage? UsageOfCut(long written);

    /// <summary>Replaces what was reserved by what was used.</summary>
    /// <param name="usage">Null when the provider has not said: then what was reserved counts as used.</param>
    /// <param name="isFree">The provider refused the call or could not be reached: nobody is billed for it.</param>
    /// <param name="isDisputed">The provider has said what cannot be true, and the ledger says so.</param>
    void Settle(JobUsage? usage, bool isFree, bool isDisputed);

    /// <summary>The call is not made after all.</summary>
    void Cancel();
}

/// <summary>Every call may be made: for deployments without limits, and for processes that keep none.</summary>
internal sealed class OpenGate : ICallGate, ICallPermit
{
    private readonly CallEntry _admitted;

    public OpenGate() => _admitted = new CallEntry.Admitted(this);

    public ValueTask<CallEntry> EnterAsync(
        ChatDeployment deployment,
        CallSize size,
        ChatCaller caller,
        CancellationToken cancellationToken
    ) => ValueTask.FromResult(_admitted);

    public string? CallId => null;

    public ValueTask<bool> ConfirmAsync(CancellationToken cancellationToken) => ValueTask.FromResult(true);

    public decimal? CostOf(JobUsage usage) => null;

    public int? MaxOutputTokens => null;

    public bool IsLate => false;

    public ValueTask<CallEntry> RenewAsync(CancellationToken cancellationToken) => ValueTask.FromResult(_admitted);

    public JobUsage? UsageOfCut(long written) => null;

    public void Settle(JobUsage? usage, bool isFree, bool isDisputed) { }

    public void Cancel() { }
}
