using System.Diagnostics;
using System.Runtime.CompilerServices;
using AiBackend.Core.Providers.Admission;
using AiBackend.Core.Providers.Catalog;
using AiBackend.Core.Providers.Circuits;
using AiBackend.Core.Providers.Failures;
using AiBackend.Core.Providers.Keys;
using AiBackend.Core.Providers.Telemetry;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Providers;

/// <summary>Asks the deployments of a route in order until one answers.</summary>
/// <remarks>
/// Another deployment is tried only before the first text: a half-streamed answer is never joined to another model's.
/// Cancellation and the caller's own errors are not failed over.
/// </remarks>
public sealed class RoutedChat
{
    private readonly ProviderCatalog _catalog;
    private readonly ICatalogSource _source;
    private readonly CircuitBreakers _circuits;
    private readonly RefusedKeys _keys;
    private readonly ICallGate _gate;
    private readonly RetryBudgets _budgets;
    private readonly ProviderMetrics _metrics;
    private readonly TimeProvider _clock;
    private readonly ILogger<RoutedChat> _logger;

    internal RoutedChat(
        ProviderCatalog catalog,
        ICatalogSource source,
        CircuitBreakers circuits,
        RefusedKeys keys,
        ICallGate gate,
        RetryBudgets budgets,
        ProviderMetrics metrics,
        TimeProvider clock,
        ILogger<RoutedChat> logger
    )
    {
        _catalog = catalog;
        _source = source;
        _circuits = circuits;
        _keys = keys;
        _gate = gate;
        _budgets = budgets;
        _metrics = metrics;
        _clock = clock;
        _logger = logger;
    }

    /// <summary>Streams one answer to work that is tried for the first time. Stopping the enumeration aborts the provider call.</summary>
    /// <param name="model">A route or model name, see <see cref="ProviderCatalog.Knows"/>.</param>
    /// <param name="messages">The conversation, oldest first; not changed.</param>
    /// <param name="options">Temperature and length; not changed.</param>
    /// <param name="cancellationToken">Aborts the provider call.</param>
    /// <exception cref="OperationCanceledException">Cancelled by <paramref name="cancellationToken"/>.</exception>
    /// <exception cref="Exception">No deployment answered, or one broke off after its first text: ask <see cref="ProviderFailures.Classify"/>.</exception>
    public IAsyncEnumerable<ChatProgress> StreamAsync(
        string model,
        IReadOnlyList<ChatMessage> messages,
        ChatOptions? options,
        CancellationToken cancellationToken
    ) => StreamAsync(model, messages, options, new ChatCalls(_clock), cancellationToken);

    /// <inheritdoc cref="StreamAsync(string, IReadOnlyList{ChatMessage}, ChatOptions?, CancellationToken)"/>
    /// <param name="model">A route or model name.</param>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">Temperature and length.</param>
    /// <param name="calls">Says whether this is a retry, and learns of every provider call.</param>
    /// <param name="cancellationToken">Aborts the provider call.</param>
    public async IAsyncEnumerable<ChatProgress> StreamAsync(
        string model,
        IReadOnlyList<ChatMessage> messages,
        ChatOptions? options,
        ChatCalls calls,
        [EnumeratorCancellation] CancellationToken cancellationToken
    )
    {
        var failures = new RouteFailures();
        var size = new CallSize(messages.Sum(message => message.Text.Length), options?.MaxOutputTokens);
        ChatDeployment? failed = null;
        foreach (var deployment in await RouteAsync(model, size, calls.Caller, cancellationToken))
        {
            var isRetry = calls.IsRetry || failed is not null;
            using var pass = TryPass(deployment, out var closed);
            var (permit, refusal) = pass is null ? (null, closed) : await EnterAsync(deployment, size, calls, isRetry, cancellationToken);
            if (refusal is not null)
            {
                calls.Skip(deployment, refusal);
                failures.NoteNotAsked(refusal);
                continue;
            }

            if (failed is not null)
            {
                yield return Report(failed, deployment, failures);
            }

            yield return Start(deployment);

            var call = pass!.Of(calls.Begin(deployment));
            using var counted = new CountedCall(permit!, call);
            var summary = new AnswerSummary(deployment, failures.Count, call);
            await using var updates = deployment
                .Client.GetStreamingResponseAsync(messages, For(deployment, options), cancellationToken)
                .GetAsyncEnumerator(cancellationToken);
            var hasText = false;
            bool? goesOn;
            while ((goesOn = await NextAsync(updates, deployment, call, hasText, failures, cancellationToken)) is true)
            {
                if (summary.TakeText(updates.Current) is { Length: > 0 } text)
                {
                    pass.NoteText();
                    // It answers: that is known long before it has finished.
                    _budgets.NoteSuccess(deployment.Provider, isRetry && !hasText);
                    hasText = true;
                    yield return new ChatProgress.Text(text);
                }
            }

            if (goesOn is false)
            {
                _budgets.NoteSuccess(deployment.Provider, isRetry && !hasText);
                yield return summary.Finish();
                yield break;
            }

            failed = deployment;
        }

        failures.Throw();
    }

    private async ValueTask<IReadOnlyList<ChatDeployment>> RouteAsync(
        string model,
        CallSize size,
        ChatCaller caller,
        CancellationToken cancellationToken
    )
    {
        var needs = new RouteNeeds(size.PromptTokens, size.MaxOutputTokens, caller.Level, caller.TimeLeft);
        var route = _catalog.Route(model, needs);
        if (route.Count == 0)
        {
            // Another process knew it when it took the work in.
            await _source.RefreshAsync(cancellationToken);
            route = _catalog.Route(model, needs);
        }

        return route.Count > 0 ? route : throw new UnknownModelException(model, _catalog.KnownModels);
    }

    /// <summary>Whether a deployment has a key and is up.</summary>
    private CircuitPass? TryPass(ChatDeployment deployment, out ProviderFailure? refusal)
    {
        if (_keys.Contains(deployment))
        {
            refusal = ProviderFailure.ProviderAuth.KeyNotUsed(deployment.Provider);
            return null;
        }

        var pass = _circuits.TryPass(deployment, out var wait);
        refusal = pass is null ? ProviderFailure.NotAsked.CircuitOpen(deployment.Provider, deployment.Model, wait) : null;
        return pass;
    }

    /// <summary>Whether a deployment that is up may be asked now: by its limits, and for a retry by its budget.</summary>
    private async ValueTask<(ICallPermit?, ProviderFailure?)> EnterAsync(
        ChatDeployment deployment,
        CallSize size,
        ChatCalls calls,
        bool isRetry,
        CancellationToken cancellationToken
    )
    {
        switch (await _gate.EnterAsync(deployment, size, calls.Caller, cancellationToken))
        {
            case CallEntry.Full full:
                _metrics.Limited(deployment.Provider, full.Limit);
                return (null, ProviderFailure.NotAsked.LimitReached(deployment, full));
            case CallEntry.Admitted { Permit: var permit } when _budgets.MayCall(deployment.Provider, isRetry):
                return (permit, null);
            case CallEntry.Admitted { Permit: var permit }:
                permit.Cancel();
                return (null, ProviderFailure.NotAsked.RetryBudgetSpent(deployment.Provider));
            case var other:
                throw new UnreachableException($"{other} is neither.");
        }
    }

    /// <returns>Whether there is a next update; null when the call failed and another deployment may do better.</returns>
    private async ValueTask<bool?> NextAsync(
        IAsyncEnumerator<ChatResponseUpdate> updates,
        ChatDeployment deployment,
        ChatCall call,
        bool hasText,
        RouteFailures failures,
        CancellationToken cancellationToken
    )
    {
        try
        {
            return await updates.MoveNextAsync();
        }
        catch (Exception failure) when (Note(failure, deployment, call, cancellationToken) && !hasText && failures.MayFailOver(failure))
        {
            return null;
        }
    }

    /// <summary>For an exception filter: whether the call failed, and was not aborted by us.</summary>
    private bool Note(Exception failure, ChatDeployment deployment, ChatCall call, CancellationToken cancellationToken)
    {
        if (!call.NoteFailure(failure, cancellationToken))
        {
            return false;
        }

        if (call.Failure is ProviderFailure.ProviderAuth { RefusesKey: true })
        {
            _keys.Note(deployment);
        }

        return true;
    }

    /// <summary>Settles a call however it ends: with what the provider said it used, or with what was reserved.</summary>
    private readonly struct CountedCall(ICallPermit permit, ChatCall call) : IDisposable
    {
        public void Dispose() => permit.Settle(call.Usage);
    }

    private ChatProgress.CallStarted Start(ChatDeployment deployment)
    {
        if (deployment.ChosenFor is { } reason)
        {
            _metrics.Switched(deployment.Provider, deployment.Model, reason);
        }

        return new ChatProgress.CallStarted(deployment.Provider, deployment.Model, deployment.Simulated)
        {
            ChosenFor = deployment.ChosenFor,
        };
    }

    private ChatProgress.FailedOver Report(ChatDeployment from, ChatDeployment to, RouteFailures failures)
    {
        var (exception, failure) = failures.Last;
        _metrics.FailedOver(from.Provider, to.Provider, failure.Code);
        _logger.ProviderFailedOver(exception, from.Provider, to.Provider, failure.Code);
        return new ChatProgress.FailedOver(from.Provider, to.Provider, failure);
    }

    private static ChatOptions For(ChatDeployment deployment, ChatOptions? options)
    {
        // Model names belong to one provider.
        var own = options?.Clone() ?? new ChatOptions();
        own.ModelId = deployment.Model;
        return own;
    }
}
