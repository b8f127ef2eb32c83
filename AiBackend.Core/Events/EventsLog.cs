using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Events;

/// <summary>Log events 1200-1299 (docs/operations.md).</summary>
internal static partial class EventsLog
{
    [LoggerMessage(1200, LogLevel.Warning, "Postgres could not be asked for news of watched jobs; asking again")]
    public static partial void EventPollFailed(this ILogger logger, Exception failure);

    [LoggerMessage(
        1201,
        LogLevel.Warning,
        "A message on {Channel}, and perhaps others, was sent by none of our processes; it was passed over"
    )]
    public static partial void MessageForged(this ILogger logger, string channel);
}
