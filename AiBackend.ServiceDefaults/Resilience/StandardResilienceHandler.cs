using System.Globalization;
using Polly;
using Polly.CircuitBreaker;
using Polly.Timeout;

namespace AiBackend.ServiceDefaults.Resilience;

/// <summary>Sends through the client's pipeline and speaks <see cref="HttpRequestException"/> about what stopped a call.</summary>
internal sealed class StandardResilienceHandler(string client, ResiliencePipeline<HttpResponseMessage> pipeline) : DelegatingHandler
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var context = ResilienceContextPool.Shared.Get(cancellationToken);
        try
        {
            if (IsRepeatable(request))
            {
                context.Properties.Set(StandardPipeline.Repeatable, true);
                // A body read from a stream can be sent once; from memory, as often as needed.
                await (request.Content?.LoadIntoBufferAsync(cancellationToken) ?? Task.CompletedTask);
            }

            return await pipeline.ExecuteAsync(
                static async (call, sending) => await sending.Handler.SendOnceAsync(sending.Request, call.CancellationToken),
                context,
                (Handler: this, Request: request)
            );
        }
        catch (BrokenCircuitException failure)
        {
            throw new HttpRequestException(
                $"Calls of '{client}' are refused for now because most of the latest ones failed. They resume by themselves.",
                failure
            );
        }
        catch (TimeoutRejectedException failure)
        {
            var waited = failure.Timeout.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture);
            throw new HttpRequestException(
                $"'{client}' had no answer within {waited} s: {request.Method} {request.RequestUri?.GetLeftPart(UriPartial.Path)}.",
                failure
            );
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
        }
    }

    private Task<HttpResponseMessage> SendOnceAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
        base.SendAsync(request, cancellationToken);

    private static bool IsRepeatable(HttpRequestMessage request) =>
        request.Method.Method is "GET" or "HEAD" or "OPTIONS" or "TRACE" or "PUT" or "DELETE"
        || request.Headers.Contains("Idempotency-Key");
}
