namespace AiBackend.Worker.Presence;

/// <summary>Which workers have ended, told from looks at who holds the lock of its session.</summary>
/// <remarks>
/// A worker counts as gone when it was seen to hold its lock, holds it no longer for a while, and did not renew its leases since. Looks
/// from before an outage of Postgres say nothing, since that ends everybody's sessions; whoever asks is then away as well.
/// </remarks>
internal sealed class Absences(Guid self)
{
    private readonly Dictionary<Guid, Sighting> _present = [];

    /// <param name="looks">The workers that have not said that they stopped.</param>
    /// <param name="now">Time since anything that stays the same.</param>
    /// <returns>Those that are gone; each is named once.</returns>
    public IReadOnlyList<Guid> Note(IReadOnlyCollection<WorkerLook> looks, TimeSpan now)
    {
        if (!looks.Any(look => look.WorkerId == self && look.IsPresent))
        {
            Forget();
            return [];
        }

        var gone = new List<Guid>();
        foreach (var look in looks)
        {
            if (look.IsPresent)
            {
                _present[look.WorkerId] = new(look.LastSeenAt, null);
            }
            else if (_present.TryGetValue(look.WorkerId, out var sighting))
            {
                NoteAbsent(look, sighting, now, gone);
            }
        }

        foreach (var stopped in _present.Keys.Except(looks.Select(look => look.WorkerId)).ToList())
        {
            _present.Remove(stopped);
        }

        return gone;
    }

    /// <summary>What was seen before says nothing any more.</summary>
    public void Forget() => _present.Clear();

    private void NoteAbsent(WorkerLook look, Sighting sighting, TimeSpan now, List<Guid> gone)
    {
        if (sighting.AbsentSince is not { } since)
        {
            _present[look.WorkerId] = new(look.LastSeenAt, now);
        }
        else if (look.LastSeenAt != sighting.LastSeenAt)
        {
            // It lives without its lock; its lease says when that ends.
            _present.Remove(look.WorkerId);
        }
        else if (now - since >= GoneWorkers.Patience)
        {
            _present.Remove(look.WorkerId);
            gone.Add(look.WorkerId);
        }
    }

    /// <param name="LastSeenAt">Its last renewal at that time.</param>
    /// <param name="AbsentSince">Null while it holds its lock.</param>
    private readonly record struct Sighting(DateTimeOffset LastSeenAt, TimeSpan? AbsentSince);
}

/// <summary>What one look says of a worker.</summary>
/// <param name="WorkerId">Unique for the process.</param>
/// <param name="IsPresent">Whether it holds its lock.</param>
/// <param name="LastSeenAt">Its last renewal.</param>
internal readonly record struct WorkerLook(Guid WorkerId, bool IsPresent, DateTimeOffset LastSeenAt);
