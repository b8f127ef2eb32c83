using AiBackend.Core.Queue;
using AiBackend.Core.Redis;
using AiBackend.Worker.Execution;

namespace AiBackend.Worker.Maintenance;

/// <summary>When the dispatcher looks: as soon as a slot may be free for a job that waits, and now and then.</summary>
internal sealed class DispatchRounds(DispatchBacklog dispatch, IReadyQueue queue, IRedisChannels redis, TimeProvider clock)
{
    private static readonly TimeSpan IdleInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan BusyInterval = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan SweepInterval = TimeSpan.FromSeconds(1);

    // Jobs end together: a look for each of them alone would cost more than it gains.
    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(2);

    private readonly Nudges _room = new(clock);

    private long _lastSweep;
    private bool _busy;

    public Task SubscribeAsync() => redis.SubscribeAsync(queue.RoomChannel, _ => _room.Give());

    /// <returns>How long not to look again, whatever happens.</returns>
    public async Task<TimeSpan> RunAsync(CancellationToken cancellationToken)
    {
        await _room.WaitAsync(_busy ? BusyInterval - ShortestPause : IdleInterval, cancellationToken);
        var sweep = clock.GetElapsedTime(_lastSweep) >= SweepInterval;
        if (!sweep && !await queue.HasBacklogAsync())
        {
            _busy = false;
            return TimeSpan.Zero;
        }

        var begin = _lastSweep = clock.GetTimestamp();
        _busy = await dispatch.RunAsync(cancellationToken);
        // A round that reads the heads of very many tenants takes its time, and Postgres has other things to do.
        var pause = clock.GetElapsedTime(begin) / 2;
        return pause > ShortestPause ? pause : ShortestPause;
    }
}
