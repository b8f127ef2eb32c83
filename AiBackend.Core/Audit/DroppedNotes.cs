using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Audit;

/// <summary>Tells of what was to be written down and was not, because too much waited for it: whoever floods the log hides nothing in it unseen.</summary>
public sealed class DroppedNotes
{
    private static readonly TimeSpan Pause = TimeSpan.FromMinutes(1);

    private readonly Counter<long> _dropped;
    private readonly TimeProvider _clock;
    private readonly ILogger<DroppedNotes> _logger;
    private readonly Lock _gate = new();
    private long? _toldAt;

    /// <summary>Creates the instrument.</summary>
    public DroppedNotes(IMeterFactory meters, TimeProvider clock, ILogger<DroppedNotes> logger)
    {
        _dropped = meters
            .Create("AiBackend.Audit")
            .CreateCounter<long>(
                "aibackend.audit.dropped",
                "{row}",
                "Refusals and attempts that were not written to the audit log, because too many waited."
            );
        _clock = clock;
        _logger = logger;
    }

    /// <summary>Counts one, and says so once a minute.</summary>
    /// <param name="actor">Whose act it is.</param>
    /// <param name="action">What it is.</param>
    public void Add(string actor, string action)
    {
        _dropped.Add(1, new KeyValuePair<string, object?>("action", action == ForeignAttempts.Action ? action : "refused"));
        var now = _clock.GetTimestamp();
        lock (_gate)
        {
            if (_toldAt is { } at && _clock.GetElapsedTime(at, now) < Pause)
            {
                return;
            }

            _toldAt = now;
        }

        _logger.NotesDropped(action, actor);
    }
}
