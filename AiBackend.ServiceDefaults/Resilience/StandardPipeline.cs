using System.Globalization;
using System.Net;
using Microsoft.Extensions.Logging;
using Polly;
using Polly.CircuitBreaker;
using Polly.Retry;
using Polly.Timeout;

namespace AiBackend.ServiceDefaults.Resilience;

/// <summary>Total time, retries, circuit, time of one attempt: from the outside in.</summary>
internal static class StandardPipeline
{
    /// <summary>Set on the execution when its request may be sent twice.</summary>
    public static readonly ResiliencePropertyKey<bool> Repeatable = new("AiBackend.Repeatable");

    public static ResiliencePipeline<HttpResponseMessage> Build(
        string client,
        StandardResilienceOptions options,
        TimeProvider clock,
        ILogger logger
    )
    {
        var pipeline = new ResiliencePipelineBuilder<HttpResponseMessage> { TimeProvider = clock };
        pipeline.AddTimeout(options.TotalTimeout);
        if (options.MaxRetryCount > 0)
        {
            pipeline.AddRetry(Retry(client, options, clock, logger));
        }

        return pipeline.AddCircuitBreaker(Circuit(client, options, logger)).AddTimeout(options.AttemptTimeout).Build();
    }

    private static RetryStrategyOptions<HttpResponseMessage> Retry(
        string client,
        StandardResilienceOptions options,
        TimeProvider clock,
        ILogger logger
    ) =>
        new()
        {
            MaxRetryAttempts = options.MaxRetryCount,
            Delay = options.RetryDelay,
            BackoffType = DelayBackoffType.Exponential,
            UseJitter = true,
            ShouldHandle = call =>
                ValueTask.FromResult(
                    call.Context.Properties.GetValue(Repeatable, false)
                        && (IsTransient(call.Outcome) || call.Outcome.Result?.StatusCode == HttpStatusCode.TooManyRequests)
                        // A wait beyond the total time cannot succeed: the caller learns now what it would learn late.
                        && !(RetryAfter(call.Outcome.Result, clock) > options.TotalTimeout)
                ),
            DelayGenerator = call => ValueTask.FromResult(RetryAfter(call.Outcome.Result, clock)),
            OnRetry = call =>
            {
                logger.RequestRetried(client, call.AttemptNumber + 1, Reason(call.Outcome), call.RetryDelay.TotalSeconds);
                return ValueTask.CompletedTask;
            },
        };

    private static CircuitBreakerStrategyOptions<HttpResponseMessage> Circuit(
        string client,
        StandardResilienceOptions options,
        ILogger logger
    ) =>
        new()
        {
            FailureRatio = 0.5,
            MinimumThroughput = 20,
            SamplingDuration = TimeSpan.FromSeconds(30),
            BreakDuration = options.BreakDuration,
            // 429 is an answer of a healthy service.
            ShouldHandle = call => ValueTask.FromResult(IsTransient(call.Outcome)),
            OnOpened = call =>
            {
                logger.CircuitOpened(client, Reason(call.Outcome), call.BreakDuration.TotalSeconds);
                return ValueTask.CompletedTask;
            },
            OnClosed = _ =>
            {
                logger.CircuitClosed(client);
                return ValueTask.CompletedTask;
            },
        };

    private static bool IsTransient(Outcome<HttpResponseMessage> outcome) =>
        outcome.Exception is HttpRequestException or TimeoutRejectedException
        || outcome.Result?.StatusCode is HttpStatusCode.RequestTimeout or >= HttpStatusCode.InternalServerError;

    private static TimeSpan? RetryAfter(HttpResponseMessage? response, TimeProvider clock) =>
        response?.Headers.RetryAfter switch
        {
            { Delta: { } delta } => delta,
            { Date: { } date } => date > clock.GetUtcNow() ? date - clock.GetUtcNow() : TimeSpan.Zero,
            _ => null,
        };

    private static string Reason(Outcome<HttpResponseMessage> outcome) =>
        outcome.Result is { } response
            ? "status " + ((int)response.StatusCode).ToString(CultureInfo.InvariantCulture)
            : outcome.Exception?.GetType().Name ?? "unknown";
}
