using System.Collections.Concurrent;

namespace AiBackend.Core.Webhooks;

/// <summary>What this process noticed about endpoints, for a while.</summary>
internal sealed class EndpointMarks(TimeProvider clock, TimeSpan lasts)
{
    private readonly ConcurrentDictionary<Guid, long> _since = new();

    public void Add(Guid id) => _since[id] = clock.GetTimestamp();

    public void Set(Guid id, bool isMarked)
    {
        if (isMarked)
        {
            Add(id);
        }
        else
        {
            _since.TryRemove(id, out _);
        }
    }

    public Guid[] Current()
    {
        foreach (var mark in _since.Where(mark => clock.GetElapsedTime(mark.Value) >= lasts))
        {
            _since.TryRemove(mark);
        }

        return [.. _since.Keys];
    }
}
