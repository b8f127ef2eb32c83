using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Webhooks;

/// <summary>Log events 2800-2899 (docs/operations.md). Never pass a secret, an address or a body.</summary>
internal static partial class WebhooksLog
{
    [LoggerMessage(
        2800,
        LogLevel.Warning,
        "Message {Id} to webhook {Endpoint} failed ({Error}) at try {Try}; it is tried again in {Delay}"
    )]
    public static partial void DeliveryFailed(this ILogger logger, string id, string endpoint, string error, int @try, TimeSpan delay);

    [LoggerMessage(2801, LogLevel.Error, "Message {Id} to webhook {Endpoint} was given up ({Error}) at try {Try}")]
    public static partial void DeliveryGivenUp(this ILogger logger, string id, string endpoint, string error, int @try);
}
