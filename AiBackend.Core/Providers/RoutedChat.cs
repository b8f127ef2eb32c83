using System.Runtime.CompilerServices;
using AiBackend.Core.Providers.Admission;
using AiBackend.Core.Providers.Catalog;
using AiBackend.Core.Providers.Failures;
using AiBackend.Core.Providers.Telemetry;
using AiBackend.Core.Providers.Wire;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Providers;

/// <summary>Asks the deployments of a route in order until one answers.</summary>
/// <remarks>
/// Before the first text the next one is asked invisibly. After it what was written is never joined silently to another answer: either it
/// no longer counts, or another call is asked to go on from there, and both are told (docs/adr/0012). Cancellation and the caller's own
/// errors are not failed over.
/// </remarks>
public sealed class RoutedChat
{
    private readonly ProviderCatalog _catalog;
    private readonly ICatalogSource _source;
    private readonly ICallPrices _prices;
    private readonly DeploymentDoor _door;
    private readonly ProviderMetrics _metrics;
    private readonly TimeProvider _clock;
    private readonly ILogger<RoutedChat> _logger;

    internal RoutedChat(
        ProviderCatalog catalog,
        ICatalogSource source,
        ICallPrices prices,
        DeploymentDoor door,
        ProviderMetrics metrics,
        TimeProvider clock,
        ILogger<RoutedChat> logger
    )
    {
        _catalog = catalog;
        _source = source;
        _prices = prices;
        _door = door;
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
        var answer = new PartialAnswer(messages, options);
        var plan = new RoutePlan(await RouteAsync(model, answer, calls.Caller, cancellationToken));
        while (plan.Next() is { } deployment)
        {
            var cut = plan.CutFor(deployment, answer, plan.Failed is null ? null : failures.Last.Failure);
            var request = answer.For(deployment, cut);
            var (entered, refusal) = await EnterAsync(deployment, request, calls, plan, cancellationToken);
            if (entered is null)
            {
                failures.NoteNotAsked(refusal!);
                continue;
            }

            using var call = entered;
            foreach (var first in Begin(plan.Failed, deployment, request.Options, failures))
            {
                yield return first;
            }

            var summary = new AnswerSummary(deployment, request.Options.MaxOutputTokens ?? call.MaxOutputTokens, failures.Count, call);
            await using var updates = deployment
                .Client.GetStreamingResponseAsync(request.Messages, call.Named(deployment.Taken(request.Options)), cancellationToken)
                .GetAsyncEnumerator(cancellationToken);
            bool? goesOn;
            while ((goesOn = await NextAsync(updates, call, plan, request.IsContinued, failures, cancellationToken)) is true)
            {
                if (answer.Take(summary.TakeText(updates.Current), request.IsContinued) is { Length: > 0 } text)
                {
                    call.NoteText();
                    if (TakeCut(answer) is { } told)
                    {
                        yield return told;
                    }

                    answer.Append(text);
                    yield return new ChatProgress.Text(text);
                }

                foreach (var asked in AskedTools(updates.Current, answer, call))
                {
                    yield return asked;
                }
            }

            if (goesOn is false)
            {
                foreach (var last in Finish(summary, answer, call))
                {
                    yield return last;
                }

                yield break;
            }

            plan.NoteFailed(deployment, call.HasText, call.Call.Failure);
        }

        failures.Throw();
    }

    private ValueTask<(EnteredCall? Call, ProviderFailure? Refusal)> EnterAsync(
        ChatDeployment deployment,
        ChatRequest request,
        ChatCalls calls,
        RoutePlan plan,
        CancellationToken cancellationToken
    ) => _door.EnterAsync(deployment, request.Size, calls, calls.IsRetry || plan.Failed is not null, cancellationToken);

    private IReadOnlyList<ChatProgress> Begin(
        ChatDeployment? failed,
        ChatDeployment deployment,
        ChatOptions options,
        RouteFailures failures
    ) => failed is null ? [Start(deployment, options)] : [Report(failed, deployment, failures), Start(deployment, options)];

    private IReadOnlyList<ChatProgress> AskedTools(ChatResponseUpdate update, PartialAnswer answer, EnteredCall call)
    {
        if (update.Contents is [TextContent] || update.Contents.OfType<FunctionCallContent>().ToList() is not { Count: > 0 } calls)
        {
            return [];
        }

        call.NoteText();
        var asked = calls.Select(each => new ChatProgress.ToolAsked(each.CallId, each.Name, AskedTool.ArgumentsOf(each)));
        return TakeCut(answer) is { } told ? [told, .. asked] : [.. asked];
    }

    private IReadOnlyList<ChatProgress> Finish(AnswerSummary summary, PartialAnswer answer, EnteredCall call)
    {
        call.NoteAnswered();
        return TakeCut(answer) is { } told ? [told, summary.Finish()] : [summary.Finish()];
    }

    private async ValueTask<IReadOnlyList<ChatDeployment>> RouteAsync(
        string model,
        PartialAnswer answer,
        ChatCaller caller,
        CancellationToken cancellationToken
    )
    {
        var needs = new RouteNeeds(answer.Size.PromptTokens, answer.Size.MaxOutputTokens, caller.Level, caller.TimeLeft, caller.IsMoved)
        {
            Uses = answer.Uses,
        };
        var route = await _catalog.RouteAsync(model, needs, _prices, cancellationToken);
        if (route.Count == 0)
        {
            // Another process knew it when it took the work in.
            await _source.RefreshAsync(cancellationToken);
            route = await _catalog.RouteAsync(model, needs, _prices, cancellationToken);
        }

        return route.Count > 0 ? route : throw new UnknownModelException(model, _catalog.KnownModels);
    }

    /// <returns>Whether there is a next update; null when the call failed and another one may do better.</returns>
    private static async ValueTask<bool?> NextAsync(
        IAsyncEnumerator<ChatResponseUpdate> updates,
        EnteredCall call,
        RoutePlan plan,
        bool isContinued,
        RouteFailures failures,
        CancellationToken cancellationToken
    )
    {
        try
        {
            return await updates.MoveNextAsync();
        }
        catch (Exception failure)
            when (call.NoteFailure(failure, cancellationToken)
                && plan.GoesOnAfter(call.Call.Failure!, isContinued)
                && failures.Note(failure, call.Call.Failure!)
            )
        {
            return null;
        }
    }

    private ChatProgress.CallStarted Start(ChatDeployment deployment, ChatOptions options)
    {
        if (deployment.ChosenFor is { } reason)
        {
            _metrics.Switched(deployment.Provider, deployment.Model, reason);
        }

        return new ChatProgress.CallStarted(deployment.Provider, deployment.Model, deployment.Simulated)
        {
            ChosenFor = deployment.ChosenFor,
            LeftOut = string.Join(", ", deployment.LeavesOut(options)) is { Length: > 0 } names ? names : null,
        };
    }

    private ChatProgress.FailedOver Report(ChatDeployment from, ChatDeployment to, RouteFailures failures)
    {
        var (exception, failure) = failures.Last;
        _metrics.FailedOver(from.Provider, to.Provider, failure.Code);
        _logger.ProviderFailedOver(exception, from.Provider, to.Provider, failure.Code);
        return new ChatProgress.FailedOver(from.Provider, to.Provider, failure);
    }

    private ChatProgress? TakeCut(PartialAnswer answer)
    {
        var told = answer.TakeCut();
        switch (told)
        {
            case ChatProgress.Restarted(var from, var to, var failure):
                _metrics.Resumed(from, to, failure.Code, "restarted");
                break;
            case ChatProgress.Continued(var from, var to, var failure):
                _metrics.Resumed(from, to, failure.Code, "continued");
                break;
        }

        return told;
    }
}
