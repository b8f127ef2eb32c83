using System.Runtime.ExceptionServices;
using AiBackend.Core.Providers.Failures;

namespace AiBackend.Core.Providers;

/// <summary>Why the deployments of a route failed so far.</summary>
internal sealed class RouteFailures
{
    private readonly List<(Exception Exception, ProviderFailure Failure)> _all = [];

    public int Count => _all.Count;

    public (Exception Exception, ProviderFailure Failure) Last => _all[^1];

    /// <summary>Notes the failure unless it ends the route.</summary>
    /// <returns>False when no other provider could do better; then it is not noted.</returns>
    public bool MayFailOver(Exception exception)
    {
        var failure = ProviderFailures.Classify(exception);
        if (failure.MayFailOver)
        {
            _all.Add((exception, failure));
        }

        return failure.MayFailOver;
    }

    /// <summary>Throws the failure that says most about whether to come back: one provider at its limit matters more than another without a key.</summary>
    /// <param name="skipped">A deployment that was not asked. It might have answered, so the work waits instead of failing for good.</param>
    public void Throw(ChatDeployment? skipped)
    {
        var most = _all.Count > 0 ? _all.MinBy(each => Rank(each.Failure)) : default;
        ExceptionDispatchInfo.Throw(
            skipped is null || most.Failure is { Retryable: true } ? most.Exception : new RetryBudgetSpentException(skipped.Provider)
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
