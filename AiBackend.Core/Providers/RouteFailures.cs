using System.Runtime.ExceptionServices;
using AiBackend.Core.Providers.Failures;

namespace AiBackend.Core.Providers;

/// <summary>Why the deployments of a route failed so far.</summary>
internal sealed class RouteFailures
{
    private readonly List<(Exception Exception, ProviderFailure Failure)> _all = [];
    private ProviderFailure.NotAsked? _notAsked;
    private ProviderFailure? _keyNotUsed;

    public int Count => _all.Count;

    public (Exception Exception, ProviderFailure Failure) Last => _all[^1];

    /// <summary>Notes a failure after which another deployment is asked.</summary>
    /// <returns>True, for an exception filter.</returns>
    public bool Note(Exception exception, ProviderFailure failure)
    {
        _all.Add((exception, failure));
        return true;
    }

    /// <summary>Notes a deployment that was not asked. The one that may be asked soonest counts; a key that is refused only when there is no other reason.</summary>
    public void NoteNotAsked(ProviderFailure reason)
    {
        if (reason is not ProviderFailure.NotAsked refusal)
        {
            _keyNotUsed ??= reason;
        }
        else if (_notAsked is null || (refusal.IsFinal, refusal.After.Ticks).CompareTo((_notAsked.IsFinal, _notAsked.After.Ticks)) < 0)
        {
            _notAsked = refusal;
        }
    }

    /// <summary>Throws the failure that says most about whether to come back: one provider at its limit matters more than another without a key.</summary>
    /// <remarks>A deployment that was not asked might have answered, so the work waits instead of failing for good.</remarks>
    public void Throw()
    {
        var most = _all.Count > 0 ? _all.MinBy(each => Rank(each.Failure)) : default;
        var notAsked = most.Failure is { Retryable: true } ? null : _notAsked;
        ExceptionDispatchInfo.Throw(
            notAsked is null && _all.Count > 0 ? most.Exception : new ProviderNotAskedException(notAsked ?? _keyNotUsed!)
        );
    }

    private static int Rank(ProviderFailure failure) =>
        failure switch
        {
            ProviderFailure.Transient or ProviderFailure.RateLimited => 0,
            ProviderFailure.Unknown => 1,
            _ => 2,
        };
}
