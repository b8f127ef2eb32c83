using System.Diagnostics.Metrics;
using AiBackend.Core.Database;
using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Events;

/// <summary>Tells of messages that none of our processes sent: somebody else writes to Redis.</summary>
public sealed class ForgedMessages
{
    private static readonly TimeSpan Pause = TimeSpan.FromMinutes(1);

    private readonly Counter<long> _forged;
    private readonly IMessageStore _store;
    private readonly TimeProvider _clock;
    private readonly ILogger<ForgedMessages> _logger;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, (long ToldAt, long Untold)> _channels = new(StringComparer.Ordinal);

    /// <summary>Creates the instrument.</summary>
    public ForgedMessages(IMeterFactory meters, IMessageStore store, TimeProvider clock, ILogger<ForgedMessages> logger)
    {
        _forged = meters
            .Create("AiBackend.Events")
            .CreateCounter<long>(
                "aibackend.redis.forged",
                "{message}",
                "Messages over Redis without the code that our processes put behind theirs; they were passed over."
            );
        (_store, _clock, _logger) = (store, clock, logger);
    }

    /// <summary>Counts one, and says so once a minute: in the log, and for the leader.</summary>
    /// <param name="channel">Where it came; one of ours.</param>
    public void Add(string channel)
    {
        _forged.Add(1, new KeyValuePair<string, object?>("channel", channel));
        var now = _clock.GetTimestamp();
        long messages;
        lock (_gate)
        {
            var isKnown = _channels.TryGetValue(channel, out var told);
            messages = told.Untold + 1;
            if (isKnown && _clock.GetElapsedTime(told.ToldAt, now) < Pause)
            {
                _channels[channel] = told with { Untold = messages };
                return;
            }

            _channels[channel] = (now, 0);
        }

        _logger.MessageForged(channel);
        _ = NoteAsync(channel, messages);
    }

    private async Task NoteAsync(string channel, long messages)
    {
        try
        {
            // None: nobody waits for it. The limit of every statement bounds it.
            await _store.NoteForgedAsync(channel, messages, CancellationToken.None);
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            // Safe to go on: it is in the log, and what comes after the pause is put down again.
        }
    }
}
