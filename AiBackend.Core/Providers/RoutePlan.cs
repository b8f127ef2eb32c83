using AiBackend.Core.Providers.Catalog;
using AiBackend.Core.Providers.Configuration;
using AiBackend.Core.Providers.Failures;

namespace AiBackend.Core.Providers;

/// <summary>Which deployment of a route is asked next. See docs/adr/0012.</summary>
/// <remarks>
/// In order, each once; after one whose context was too small only those that are known to have more room. One that broke off after text and can go on where it was is asked once more before the others: so an attempt makes
/// at most one call more than its route has deployments.
/// </remarks>
internal sealed class RoutePlan(IReadOnlyList<ChatDeployment> route)
{
    private int _next;
    private bool _asksAgain;
    private bool _askedAgain;
    private ChatDeployment? _writer;
    private bool _mayContinue;
    private ChatDeployment? _current;
    private long? _tooSmall;

    /// <summary>The last one that failed; null while none has.</summary>
    public ChatDeployment? Failed { get; private set; }

    /// <summary>Moves to the next deployment.</summary>
    /// <returns>Null when there is none.</returns>
    public ChatDeployment? Next()
    {
        if (_asksAgain)
        {
            (_asksAgain, _askedAgain) = (false, true);
            return _current = _writer;
        }

        while (_next < route.Count)
        {
            var next = route[_next++];
            if (_tooSmall is null)
            {
                return _current = next;
            }

            if (next.ContextTokens > _tooSmall)
            {
                return _current = next with { ChosenFor = RouteSwitch.ContextLength };
            }
        }

        return _current = null;
    }

    /// <summary>Whether somebody may do better than the deployment that was asked last. Only the caller can mend its own error.</summary>
    /// <param name="failure">Why that one failed.</param>
    /// <param name="isContinued">Whether it was given the beginning of its answer: then it is no fault of the caller's that it refused.</param>
    public bool GoesOnAfter(ProviderFailure failure, bool isContinued) =>
        failure.MayFailOver
        || (isContinued && failure is ProviderFailure.CallerError)
        || (failure.Code == ProviderFailureCodes.ContextLengthExceeded && HasRoomier());

    /// <summary>What asking <paramref name="to"/> means for the text that was delivered before; null when none was.</summary>
    /// <param name="to">Who is asked next.</param>
    /// <param name="answer">What was delivered.</param>
    /// <param name="failure">Why the last call failed.</param>
    public ProviderCut? CutFor(ChatDeployment to, PartialAnswer answer, ProviderFailure? failure) =>
        _writer is { } writer && failure is not null
            ? new ProviderCut(writer.Provider, to.Provider, failure, _mayContinue && Continues(writer, to) && answer.MayContinue)
            : null;

    /// <summary>A deployment has failed.</summary>
    /// <param name="deployment">Which.</param>
    /// <param name="hadText">Whether the text that counts now is its own.</param>
    /// <param name="failure">Why.</param>
    public void NoteFailed(ChatDeployment deployment, bool hadText, ProviderFailure? failure)
    {
        Failed = deployment;
        if (failure?.Code == ProviderFailureCodes.ContextLengthExceeded)
        {
            _tooSmall = deployment.ContextTokens ?? 0;
        }

        if (hadText)
        {
            (_writer, _mayContinue) = (deployment, true);
            _asksAgain = !_askedAgain && deployment.Continuity == ProviderContinuity.Prefill;
        }
        else if (failure is ProviderFailure.CallerError)
        {
            // The model does not take the beginning of an answer: whoever is next begins anew.
            _mayContinue = false;
        }
    }

    private bool HasRoomier() => route.Skip(_next).Any(deployment => deployment.ContextTokens > (_current?.ContextTokens ?? 0));

    /// <summary>Another model's text is never joined, not even where readers are told.</summary>
    private static bool Continues(ChatDeployment writer, ChatDeployment to) =>
        to.Continuity == ProviderContinuity.Prefill && string.Equals(writer.Model, to.Model, StringComparison.Ordinal);
}

/// <summary>An answer broke off after text, and another call follows.</summary>
/// <param name="From">The provider that wrote the text.</param>
/// <param name="To">The provider that is asked now.</param>
/// <param name="Failure">Why the last call failed.</param>
/// <param name="Continues">Whether what follows is appended to the text, or replaces it.</param>
internal sealed record ProviderCut(string From, string To, ProviderFailure Failure, bool Continues);
