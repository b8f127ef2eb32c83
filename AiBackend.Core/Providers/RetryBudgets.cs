using System.Collections.Concurrent;
using AiBackend.Core.Providers.Telemetry;

namespace AiBackend.Core.Providers;

/// <summary>The retry budget of every provider, in this process.</summary>
internal sealed class RetryBudgets
{
    private readonly ConcurrentDictionary<string, RetryBudget> _budgets = new(StringComparer.Ordinal);
    private readonly ProviderMetrics _metrics;
    private readonly TimeProvider _clock;

    public RetryBudgets(ProviderMetrics metrics, TimeProvider clock)
    {
        _metrics = metrics;
        _clock = clock;
        metrics.ObserveRetryBudgets(() => _budgets.Select(each => (each.Key, each.Value.Left)));
    }

    /// <summary>Whether a call would be refused now; a first call never is.</summary>
    public bool IsSpent(string provider, bool isRetry)
    {
        var isSpent = isRetry && Of(provider).Left < 1;
        if (isSpent)
        {
            _metrics.Retry(provider, refused: true);
        }

        return isSpent;
    }

    /// <summary>Counts a call that is about to be made.</summary>
    /// <returns>Whether it may be made; a first call always may.</returns>
    public bool MayCall(string provider, bool isRetry)
    {
        var budget = Of(provider);
        if (!isRetry)
        {
            budget.NoteFirstCall();
            return true;
        }

        var may = budget.TryTake();
        _metrics.Retry(provider, refused: !may);
        return may;
    }

    /// <summary>A retry was answered.</summary>
    public void NoteSuccess(string provider) => Of(provider).NoteSuccess();

    private RetryBudget Of(string provider) => _budgets.GetOrAdd(provider, static (_, clock) => new RetryBudget(clock), _clock);
}
