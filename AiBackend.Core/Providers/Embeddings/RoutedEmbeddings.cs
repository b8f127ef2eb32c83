using System.Diagnostics;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Providers.Admission;
using AiBackend.Core.Providers.Catalog;
using AiBackend.Core.Providers.Failures;
using AiBackend.Core.Providers.Telemetry;
using AiBackend.Core.Providers.Wire;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Names = AiBackend.Core.Providers.Telemetry.ProviderTelemetryNames;

namespace AiBackend.Core.Providers.Embeddings;

/// <summary>Asks the deployments of a route that can embed, in order, until one answers.</summary>
/// <remarks>
/// The first of them decides the model: another one's vectors cannot be compared with those its caller has stored, so only others that
/// serve the same model stand in for it.
/// </remarks>
public sealed class RoutedEmbeddings
{
    /// <summary>However long a provider's calls may take: whoever waits for an embedding does not wait longer, and its call is not open longer.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromMinutes(10);

    private static readonly ActivitySource Source = new(Names.Source);

    private readonly ProviderCatalog _catalog;
    private readonly ICallPrices _prices;
    private readonly DeploymentDoor _door;
    private readonly ProviderMetrics _metrics;
    private readonly TimeProvider _clock;
    private readonly ILogger<RoutedEmbeddings> _logger;

    internal RoutedEmbeddings(
        ProviderCatalog catalog,
        ICallPrices prices,
        DeploymentDoor door,
        ProviderMetrics metrics,
        TimeProvider clock,
        ILogger<RoutedEmbeddings> logger
    )
    {
        _catalog = catalog;
        _prices = prices;
        _door = door;
        _metrics = metrics;
        _clock = clock;
        _logger = logger;
    }

    /// <param name="model">A route or model name, see <see cref="ProviderCatalog.EmbeddingModels"/>.</param>
    /// <param name="texts">At least one.</param>
    /// <param name="dimensions">Numbers in a vector; null is the model's own.</param>
    /// <param name="calls">Says whether this is a retry, and learns of every provider call.</param>
    /// <param name="cancellationToken">Aborts the provider call.</param>
    /// <exception cref="OperationCanceledException">Cancelled by <paramref name="cancellationToken"/>.</exception>
    /// <exception cref="Exception">No deployment answered: ask <see cref="ProviderFailures.Classify"/>.</exception>
    public async Task<EmbeddingAnswer> EmbedAsync(
        string model,
        IReadOnlyList<string> texts,
        int? dimensions,
        ChatCalls calls,
        CancellationToken cancellationToken
    )
    {
        var size = new CallSize(texts.Sum(text => text.Length), MaxOutputTokens: 0);
        var options = new EmbeddingGenerationOptions { Dimensions = dimensions };
        var failures = new RouteFailures();
        ChatDeployment? failed = null;
        foreach (var deployment in await RouteAsync(model, size, calls.Caller, cancellationToken))
        {
            var (entered, refusal) = await _door.EnterAsync(
                deployment,
                size,
                calls,
                calls.IsRetry || failed is not null,
                cancellationToken
            );
            if (entered is null)
            {
                failures.NoteNotAsked(refusal!);
                continue;
            }

            using var call = entered;
            Report(failed, deployment, failures);
            try
            {
                return await AskAsync(deployment, texts, options, call, failures.Count, cancellationToken);
            }
            catch (Exception failure)
                when (call.NoteFailure(failure, cancellationToken)
                    && call.Call.Failure!.MayFailOver
                    && failures.Note(failure, call.Call.Failure!)
                )
            {
                failed = deployment;
            }
        }

        failures.Throw();
        throw new UnreachableException();
    }

    private async ValueTask<IReadOnlyList<ChatDeployment>> RouteAsync(
        string model,
        CallSize size,
        ChatCaller caller,
        CancellationToken cancellationToken
    )
    {
        var needs = new RouteNeeds(size.PromptTokens, size.MaxOutputTokens, caller.Level, caller.TimeLeft);
        var able = (await _catalog.RouteAsync(model, needs, _prices, cancellationToken)).Where(each => each.CanEmbed).ToList();
        return able.Count > 0
            ? [.. able.Where(each => each.Model == able[0].Model)]
            : throw new UnknownModelException(model, _catalog.EmbeddingModels);
    }

    private async Task<EmbeddingAnswer> AskAsync(
        ChatDeployment deployment,
        IReadOnlyList<string> texts,
        EmbeddingGenerationOptions options,
        EnteredCall call,
        int fallbacks,
        CancellationToken cancellationToken
    )
    {
        using var activity = Start(deployment);
        var began = _clock.GetTimestamp();
        string? error = null;
        GeneratedEmbeddings<Embedding<float>>? answer = null;
        try
        {
            answer = await InTimeAsync(deployment, texts, call.Named(options, deployment.Model), cancellationToken);
            return Understand(deployment, answer, call, fallbacks);
        }
        catch (Exception failure)
        {
            error = cancellationToken.IsCancellationRequested ? Names.Cancelled : ProviderFailures.Classify(failure).Code;
            throw;
        }
        finally
        {
            var version = answer is [{ } first, ..] ? first.ModelId : null;
            _metrics.Ended(Names.Embeddings, deployment, version, _clock.GetElapsedTime(began), answer?.Usage, error);
            if (error is not null)
            {
                activity?.SetTag(Names.ErrorType, error).SetStatus(ActivityStatusCode.Error);
            }
        }
    }

    /// <summary>An answer comes in one piece, so the limit for the first token is that for all of it.</summary>
    private async Task<GeneratedEmbeddings<Embedding<float>>> InTimeAsync(
        ChatDeployment deployment,
        IReadOnlyList<string> texts,
        EmbeddingGenerationOptions options,
        CancellationToken cancellationToken
    )
    {
        var limit = TimeSpan.FromTicks(Math.Min(deployment.Timeouts.FirstToken.Ticks, Longest.Ticks));
        using var late = new CancellationTokenSource(limit, _clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, late.Token);
        try
        {
            return await deployment.Embedder!.GenerateAsync(texts, options, either.Token);
        }
        catch (Exception failure) when (late.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new ProviderTimeoutException(deployment.Provider, ProviderTimeoutKind.Total, limit, failure);
        }
    }

    private static EmbeddingAnswer Understand(
        ChatDeployment deployment,
        GeneratedEmbeddings<Embedding<float>> answer,
        EnteredCall call,
        int fallbacks
    )
    {
        var usage = answer.Usage?.InputTokenCount is { } input ? new JobUsage(input, 0, 0, CostUsd: null) : null;
        call.Call.IsUsageDisputed = answer.AdditionalProperties?.ContainsKey(WireChatClient.Disputed) == true;
        call.Call.Usage = usage is null ? null : usage with { CostUsd = call.CostOf(usage) };
        call.Call.ModelVersion = answer[0].ModelId;
        call.NoteText();
        call.Call.End();
        var simulated = deployment.Simulated || answer.AdditionalProperties?.ContainsKey(WireChatClient.Simulated) == true;
        return new EmbeddingAnswer(
            new ServedBy(deployment.Provider, deployment.Model, call.Call.ModelVersion, fallbacks, simulated),
            call.Call.Usage,
            [.. answer.Select(each => each.Vector)]
        );
    }

    private void Report(ChatDeployment? from, ChatDeployment to, RouteFailures failures)
    {
        if (from is not null)
        {
            var (exception, failure) = failures.Last;
            _metrics.FailedOver(from.Provider, to.Provider, failure.Code);
            _logger.ProviderFailedOver(exception, from.Provider, to.Provider, failure.Code);
        }
    }

    private static Activity? Start(ChatDeployment deployment)
    {
        var activity = Source.StartActivity($"embeddings {deployment.Model}", ActivityKind.Client);
        return activity
            ?.SetTag(Names.Operation, Names.Embeddings)
            .SetTag(Names.Provider, deployment.Provider)
            .SetTag(Names.RequestModel, deployment.Model);
    }
}
