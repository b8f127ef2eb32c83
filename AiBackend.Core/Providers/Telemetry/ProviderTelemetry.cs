using System.Diagnostics;
using System.Runtime.CompilerServices;
using AiBackend.Core.Providers.Failures;
using AiBackend.Core.Providers.Wire;
using Microsoft.Extensions.AI;

namespace AiBackend.Core.Providers.Telemetry;

/// <summary>One span and the measurements of every provider call. Never a prompt, an answer or a key.</summary>
internal sealed class ProviderTelemetry(IChatClient inner, string provider, Uri address, string defaultModel, ProviderMetrics metrics)
    : DelegatingChatClient(inner)
{
    private static readonly ActivitySource Source = new(ProviderTelemetryNames.Source);

    public override Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        CancellationToken cancellationToken = default
    ) => GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    public override async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default
    )
    {
        var call = new MeasuredCall(metrics, provider, options?.ModelId ?? defaultModel);
        using var activity = Start(call.Model, options);
        await using var updates = base.GetStreamingResponseAsync(messages, options, cancellationToken)
            .GetAsyncEnumerator(cancellationToken);
        // A reader that stops early, without cancelling, is a cancellation too.
        var error = ProviderTelemetryNames.Cancelled;
        try
        {
            while (true)
            {
                try
                {
                    if (!await updates.MoveNextAsync())
                    {
                        error = null;
                        break;
                    }
                }
                catch (Exception failure) when (!cancellationToken.IsCancellationRequested)
                {
                    error = ProviderFailures.Classify(failure).Code;
                    if (failure is ProviderProtocolException { What: ToolCallParts.NotOffered })
                    {
                        metrics.ToolRefused(provider, call.Model);
                    }

                    throw;
                }

                call.Observe(updates.Current);
                yield return updates.Current;
            }
        }
        finally
        {
            call.End(error);
            Describe(activity, call, error);
        }
    }

    private Activity? Start(string model, ChatOptions? options)
    {
        var activity = Source.StartActivity($"chat {model}", ActivityKind.Client);
        if (activity is { IsAllDataRequested: true })
        {
            activity.SetTag(ProviderTelemetryNames.Operation, ProviderTelemetryNames.Chat);
            activity.SetTag(ProviderTelemetryNames.Provider, provider);
            activity.SetTag(ProviderTelemetryNames.RequestModel, model);
            activity.SetTag(ProviderTelemetryNames.RequestMaxTokens, options?.MaxOutputTokens);
            activity.SetTag(ProviderTelemetryNames.RequestTemperature, options?.Temperature);
            activity.SetTag(ProviderTelemetryNames.ServerAddress, address.Host);
            activity.SetTag(ProviderTelemetryNames.ServerPort, address.Port);
        }

        return activity;
    }

    private static void Describe(Activity? activity, MeasuredCall call, string? error)
    {
        if (activity is not { IsAllDataRequested: true })
        {
            return;
        }

        activity.SetTag(ProviderTelemetryNames.ResponseModel, call.ModelVersion);
        activity.SetTag(ProviderTelemetryNames.InputTokens, call.Usage?.InputTokenCount);
        activity.SetTag(ProviderTelemetryNames.OutputTokens, call.Usage?.OutputTokenCount);
        activity.SetTag(ProviderTelemetryNames.CachedTokens, call.Usage?.CachedInputTokenCount);
        if (call.FinishReason is { } reason)
        {
            activity.SetTag(ProviderTelemetryNames.FinishReasons, new[] { reason });
        }

        if (error is not null)
        {
            activity.SetTag(ProviderTelemetryNames.ErrorType, error);
            activity.SetStatus(ActivityStatusCode.Error);
        }
    }
}
