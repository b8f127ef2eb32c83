using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Events;

/// <summary>Tells of messages that none of our processes sent: somebody else writes to Redis.</summary>
public sealed class ForgedMessages
{
    private static readonly TimeSpan Pause = TimeSpan.FromMinutes(1);

    private readonly Counter<long> _forged;
    private readonly TimeProvider _clock;
    private readonly ILogger<ForgedMessages> _logger;
    private readonly Lock _gate = new();
    private long? _toldAt;

    /// <summary>Creates the instrument.</summary>
    public ForgedMessages(IMeterFactory meters, TimeProvider clock, ILogger<ForgedMessages> logger)
    {
        _forged = meters
            .Create("AiBackend.Events")
            .CreateCounter<long>(
                "aibackend.redis.forged",
                "{message}",
                "Messages over Redis without the code that our processes put behind theirs; they were passed over."
            );
        _clock = clock;
        _logger = logger;
    }

    /// <summary>Counts one, and says so once a minute.</summary>
    /// <param name="channel">Where it came.</param>
    public void Add(string channel)
    {
        _forged.Add(1, new KeyValuePair<string, object?>("channel", channel));
        var now = _clock.GetTimestamp();
        lock (_gate)
        {
            if (_toldAt is { } at && _clock.GetElapsedTime(at, now) < Pause)
            {
                return;
            }

            _toldAt = now;
        }

        _logger.MessageForged(channel);
    }
}
