using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Providers.Admission;
using AiBackend.Core.Providers.Failures;

namespace AiBackend.Core.Providers;

/// <summary>The provider calls that one routed chat made, as far as they have come: whole also when it is cut off or fails.</summary>
/// <param name="clock">Measures them.</param>
/// <param name="caller">The work they belong to.</param>
/// <param name="isRetry">Whether an earlier attempt at the same work failed: then every call has to be in its provider's retry budget.</param>
public sealed class ChatCalls(TimeProvider clock, ChatCaller caller = default, bool isRetry = false)
{
    private readonly List<ChatCall> _all = [];
    private readonly long _startedAt = clock.GetTimestamp();

    /// <summary>In order; the last one answered, unless all failed.</summary>
    public IReadOnlyList<ChatCall> All => _all;

    /// <summary>The work, and the number of its next call.</summary>
    internal ChatCaller Caller => caller with { Call = _all.Count };

    internal bool IsRetry => isRetry;

    internal ChatCall Begin(ChatDeployment deployment)
    {
        var call = new ChatCall(deployment.Provider, deployment.Model, clock, clock.GetElapsedTime(_startedAt))
        {
            RouteVersion = deployment.RouteVersion,
        };
        _all.Add(call);
        return call;
    }

    /// <summary>Notes a call that was not made.</summary>
    internal void Skip(ChatDeployment deployment, ProviderFailure refusal)
    {
        var call = Begin(deployment);
        call.WasMade = false;
        call.Fail(refusal);
    }
}

/// <summary>One call to one provider.</summary>
public sealed class ChatCall
{
    private readonly TimeProvider _clock;
    private readonly long _startedAt;
    private TimeSpan? _time;

    internal ChatCall(string provider, string model, TimeProvider clock, TimeSpan after)
    {
        (Provider, Model, After) = (provider, model, after);
        _clock = clock;
        _startedAt = clock.GetTimestamp();
    }

    /// <summary>The provider's configured name.</summary>
    public string Provider { get; }

    /// <summary>The model asked for.</summary>
    public string Model { get; }

    /// <summary>Which version of an operator's route led to it; null when none did.</summary>
    public int? RouteVersion { get; init; }

    /// <summary>False when the provider was left out, because it may not be asked now.</summary>
    public bool WasMade { get; internal set; } = true;

    /// <summary>Time from the start of the chat to the start of the call.</summary>
    public TimeSpan After { get; }

    /// <summary>How long it took, or has taken until now.</summary>
    public TimeSpan Time => _time ?? _clock.GetElapsedTime(_startedAt);

    /// <summary>What the provider says it used; null while it has said nothing.</summary>
    public string? ModelVersion { get; internal set; }

    /// <summary>Tokens as reported so far; null when none were.</summary>
    public JobUsage? Usage { get; internal set; }

    /// <summary>Whether the provider reported a usage that cannot be true.</summary>
    public bool IsUsageDisputed { get; internal set; }

    /// <summary>Whether the provider billed more output than it was told to write.</summary>
    internal bool IsOverbilled { get; set; }

    /// <summary>It never came to an answer: the provider refused it or could not be reached.</summary>
    internal bool IsFree { get; private set; }

    /// <summary>Why it failed; null when it did not, or was cut off by us.</summary>
    public ProviderFailure? Failure { get; private set; }

    /// <summary>Whether it went on beyond what it was told to write, until it was cut off, or billed for as much.</summary>
    public bool Overran { get; internal set; }

    /// <summary>Tokens that were read of its answer.</summary>
    internal long Written { get; set; }

    /// <summary>For an exception filter: notes a failure of the provider's. An abort of ours is none.</summary>
    internal bool NoteFailure(Exception exception, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return false;
        }

        Fail(ProviderFailures.Classify(exception));
        IsFree = ModelVersion is null && Usage is null && ProviderFailures.IsUnbilled(exception);
        return true;
    }

    /// <summary>Whether it was answered in full, or has failed.</summary>
    internal bool HasEnded => _time is not null;

    internal void End() => _time ??= _clock.GetElapsedTime(_startedAt);

    internal void Fail(ProviderFailure failure)
    {
        End();
        Failure = failure;
    }
}
