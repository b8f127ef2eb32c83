using System.Runtime.CompilerServices;
using AiBackend.Core.Providers.Failures;
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
    private readonly ProviderMetrics _metrics;
    private readonly ILogger<RoutedChat> _logger;

    internal RoutedChat(ProviderCatalog catalog, ProviderMetrics metrics, ILogger<RoutedChat> logger)
    {
        _catalog = catalog;
        _metrics = metrics;
        _logger = logger;
    }

    /// <summary>Streams one answer. Stopping the enumeration aborts the provider call.</summary>
    /// <param name="model">A route or model name, see <see cref="ProviderCatalog.Knows"/>.</param>
    /// <param name="messages">The conversation, oldest first; not changed.</param>
    /// <param name="options">Temperature and length; not changed.</param>
    /// <param name="cancellationToken">Aborts the provider call.</param>
    /// <exception cref="OperationCanceledException">Cancelled by <paramref name="cancellationToken"/>.</exception>
    /// <exception cref="Exception">No deployment answered, or one broke off after its first text: ask <see cref="ProviderFailures.Classify"/>.</exception>
    public async IAsyncEnumerable<ChatProgress> StreamAsync(
        string model,
        IReadOnlyList<ChatMessage> messages,
        ChatOptions? options,
        [EnumeratorCancellation] CancellationToken cancellationToken
    )
    {
        var route = _catalog.Route(model);
        if (route.Count == 0)
        {
            throw new UnknownModelException(model, _catalog.KnownModels);
        }

        var failures = new RouteFailures();
        for (var stop = 0; stop < route.Count; stop++)
        {
            var deployment = route[stop];
            yield return new ChatProgress.CallStarted(deployment.Provider, deployment.Model, deployment.Simulated);

            var summary = new AnswerSummary(deployment, fallbacks: stop);
            await using var updates = deployment
                .Client.GetStreamingResponseAsync(messages, For(deployment, options), cancellationToken)
                .GetAsyncEnumerator(cancellationToken);
            var hasText = false;
            var failed = false;
            while (true)
            {
                try
                {
                    if (!await updates.MoveNextAsync())
                    {
                        break;
                    }
                }
                catch (Exception failure) when (!hasText && !cancellationToken.IsCancellationRequested && failures.MayFailOver(failure))
                {
                    failed = true;
                    break;
                }

                if (summary.TakeText(updates.Current) is { Length: > 0 } text)
                {
                    hasText = true;
                    yield return new ChatProgress.Text(text);
                }
            }

            if (!failed)
            {
                yield return summary.Finish();
                yield break;
            }

            if (stop + 1 < route.Count)
            {
                yield return Report(deployment, route[stop + 1], failures);
            }
        }

        failures.ThrowMostHopeful();
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
