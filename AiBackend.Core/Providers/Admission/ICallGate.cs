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
/// <param name="HasTurn">It was told before to come back now.</param>
/// <param name="TimeLeft">Until it is of no more use; null is for ever.</param>
public readonly record struct ChatCaller(Guid WorkId, int Epoch, int Level, bool HasTurn, TimeSpan? TimeLeft = null)
{
    /// <summary>When the work was accepted, by the clock of this process.</summary>
    public DateTimeOffset AcceptedAt { get; init; }
}

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
}

/// <summary>A call that was counted in.</summary>
public interface ICallPermit
{
    /// <summary>Replaces what was reserved by what was used.</summary>
    /// <param name="usage">Null when the provider has not said: then what was reserved counts as used.</param>
    void Settle(JobUsage? usage);

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

    public void Settle(JobUsage? usage) { }

    public void Cancel() { }
}
