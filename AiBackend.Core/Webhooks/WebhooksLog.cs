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

    [LoggerMessage(
        2802,
        LogLevel.Error,
        "The secret of webhook {Endpoint} cannot be read, so nothing is sent to it; set the seal secret and Installation:Name of before, or rotate the secret"
    )]
    public static partial void SecretNotReadable(this ILogger logger, string endpoint);

    [LoggerMessage(2803, LogLevel.Warning, "Sending to webhook {Endpoint} was interrupted; its messages are sent again")]
    public static partial void SendingFailed(this ILogger logger, Exception failure, string endpoint);

    [LoggerMessage(2804, LogLevel.Error, "Sending to webhook {Endpoint} failed by a mistake of this program; it goes on in a minute")]
    public static partial void SendingBroken(this ILogger logger, Exception failure, string endpoint);
}
