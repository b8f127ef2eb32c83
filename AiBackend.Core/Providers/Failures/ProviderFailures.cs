using System.ClientModel;
using System.Globalization;
using System.Net.Sockets;
using System.Text.Json;
using Anthropic.Exceptions;
using Codes = AiBackend.Core.Providers.Failures.ProviderFailureCodes;

namespace AiBackend.Core.Providers.Failures;

/// <summary>The only place that turns what a provider call threw into a <see cref="ProviderFailure"/>.</summary>
/// <remarks>Decides by type, status and error code, never by message text. Cancellation by the caller is not a failure: do not ask.</remarks>
public static class ProviderFailures
{
    /// <summary>What <paramref name="exception"/> means.</summary>
    public static ProviderFailure Classify(Exception exception) =>
        exception switch
        {
            ProviderErrorException error => OfStatus(error.Provider, error.Status, error.ErrorCode, error.RetryAfter),
            ProviderTimeoutException timeout => new ProviderFailure.Transient(Codes.Timeout, Sentence(timeout), null),
            ProviderProtocolException protocol => new ProviderFailure.Transient(
                Codes.ProtocolError,
                $"The answer of provider '{protocol.Provider}' could not be read: it sent {protocol.What}.",
                null
            )
            {
                IsAnswered = protocol.IsOfModel,
            },
            UnknownModelException unknown => new ProviderFailure.CallerError(
                Codes.UnknownModel,
                $"No provider serves the model '{unknown.Model}'. Choose one of: {string.Join(", ", unknown.Known)}."
            ),
            ProviderNotAskedException notAsked => notAsked.Failure,
            ClientResultException { Status: > 0 } refused => OfStatus("", refused.Status, null, null),
            ClientResultException { InnerException: { } cause } => Classify(cause),
            AnthropicIOException { InnerException: { } cause } => Classify(cause),
            // What a connect timeout of the HTTP handler looks like.
            OperationCanceledException { InnerException: TimeoutException } or TimeoutException => new ProviderFailure.Transient(
                Codes.Timeout,
                "The provider did not answer in time.",
                null
            ),
            HttpRequestException { HttpRequestError: HttpRequestError.InvalidResponse } or JsonException => new ProviderFailure.Transient(
                Codes.ProtocolError,
                "The provider's answer could not be read.",
                null
            ),
            HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError } => Unavailable(
                "The provider's host name could not be resolved."
            ),
            HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError } => Unavailable(
                "The provider could not be reached."
            ),
            HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } => Unavailable(
                "No secure connection to the provider could be made."
            ),
            HttpRequestException or IOException or SocketException or ClientResultException => Unavailable(
                "The connection to the provider broke."
            ),
            _ => new ProviderFailure.Unknown("The provider call failed for a reason we do not know; the log has the details."),
        };

    /// <summary>Whether a call that failed so, before anything of its answer came, costs nothing: it was refused, or never arrived.</summary>
    internal static bool IsUnbilled(Exception exception) =>
        exception switch
        {
            ProviderErrorException { Status: not 408 } or ProviderTimeoutException { Kind: ProviderTimeoutKind.Connect } => true,
            ClientResultException { InnerException: { } cause } => IsUnbilled(cause),
            AnthropicIOException { InnerException: { } cause } => IsUnbilled(cause),
            HttpRequestException
            {
                HttpRequestError: HttpRequestError.NameResolutionError
                    or HttpRequestError.ConnectionError
                    or HttpRequestError.SecureConnectionError
            } => true,
            _ => false,
        };

    private static ProviderFailure OfStatus(string provider, int status, string? code, TimeSpan? retryAfter)
    {
        var name = provider.Length == 0 ? "The provider" : $"Provider '{provider}'";
        var number = status.ToString(CultureInfo.InvariantCulture);
        return (status, code) switch
        {
            (400 or 413, "context_length_exceeded" or "string_above_max_length") or (413, _) => new ProviderFailure.CallerError(
                Codes.ContextLengthExceeded,
                "The input is longer than the model can read. Shorten it or choose a model with a larger context."
            ),
            (400, "content_policy_violation" or "content_filter" or "moderation_blocked") => new ProviderFailure.CallerError(
                Codes.ContentRefused,
                $"{name} refused the input by its content policy."
            ),
            (400 or 429, "insufficient_quota" or "billing_hard_limit_reached") or (402, _) => new ProviderFailure.ProviderAuth(
                Codes.QuotaExhausted,
                $"{name} refuses because the account has no quota left. An operator must raise it."
            ),
            (429, _) => new ProviderFailure.RateLimited($"{name} is at its rate limit.", retryAfter),
            (401, _) => ProviderFailure.ProviderAuth.KeyRefused(name),
            (403, _) => new ProviderFailure.ProviderAuth(
                Codes.Auth,
                $"{name} refused our key (status {number}). An operator must check it."
            ),
            (404, _) => new ProviderFailure.ProviderAuth(
                Codes.ModelNotFound,
                $"{name} does not have the configured model, or our key may not use it. An operator must check both."
            ),
            (408, _) => new ProviderFailure.Transient(Codes.Timeout, $"{name} took too long (status 408).", retryAfter),
            (409 or 425 or >= 500, _) => new ProviderFailure.Transient(
                Codes.Unavailable,
                $"{name} failed with status {number}.",
                retryAfter
            ),
            (>= 400, _) => new ProviderFailure.CallerError(
                Codes.InvalidRequest,
                $"{name} refused the request as invalid (status {number})."
            ),
            _ => new ProviderFailure.Transient(Codes.ProtocolError, $"{name} answered with the unexpected status {number}.", null),
        };
    }

    private static ProviderFailure.Transient Unavailable(string message) => new(Codes.Unavailable, message, null);

    private static string Sentence(ProviderTimeoutException timeout)
    {
        var limit = timeout.Limit.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture);
        return timeout.Kind switch
        {
            ProviderTimeoutKind.Connect => $"Provider '{timeout.Provider}' could not be connected to within {limit} s.",
            ProviderTimeoutKind.FirstToken => $"Provider '{timeout.Provider}' sent no first token within {limit} s.",
            ProviderTimeoutKind.Idle => $"Provider '{timeout.Provider}' fell silent for {limit} s in the middle of its answer.",
            _ => $"Provider '{timeout.Provider}' did not finish its answer within {limit} s.",
        };
    }
}
