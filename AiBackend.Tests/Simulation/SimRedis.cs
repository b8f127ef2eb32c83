using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;
using AiBackend.Core.Redis;
using StackExchange.Redis;

namespace AiBackend.Tests.Simulation;

/// <summary>What the product needs of Redis, in memory: one stream with a group that loses everything when wiped, and channels.</summary>
internal sealed class SimRedis(World world, int limit)
{
    private readonly List<(SimProcess Process, string Channel, Action<RedisValue> Handler)> _listeners = [];
    private readonly SortedDictionary<long, Guid> _entries = [];
    private readonly Dictionary<long, (string Consumer, DateTimeOffset At)> _pending = [];
    private long? _lastDelivered;
    private long _lastId;
    private bool _backlog;
    private int? _inFlight;
    private DateTimeOffset _guidedUntil;

    public int Limit => limit;

    public bool IsDown { get; set; }

    /// <summary>The bug of creating a lost group at the end of the stream instead of its beginning.</summary>
    public bool GroupFromEnd { get; init; }

    /// <summary>Entries that no reader will ever be given and nobody holds.</summary>
    public int Skipped => _lastDelivered is { } last ? _entries.Keys.Count(id => id <= last && !_pending.ContainsKey(id)) : 0;

    public void Wipe()
    {
        world.Note("Redis loses everything");
        world.Sometimes(_entries.Count > _pending.Count ? "Redis lost entries that nobody had read" : "Redis was wiped");
        _entries.Clear();
        _pending.Clear();
        _lastDelivered = null;
        _backlog = false;
        (_inFlight, _guidedUntil) = (null, default);
    }

    /// <summary>Adds an entry twice, as a client does that repeats an XADD whose reply it missed.</summary>
    public void Duplicate()
    {
        if (_entries.Count > 0)
        {
            Add(_entries.Values.First());
        }
    }

    public int Offer(IReadOnlyList<Guid> jobIds, bool ordered, int? inFlight = null)
    {
        var most = (ordered ? inFlight : _inFlight) ?? int.MaxValue;
        var room = Math.Min(limit - (_entries.Count - _pending.Count), most - _entries.Count);

        if (!ordered && _backlog)
        {
            world.Sometimes("a new job waited behind the backlog");
            room = 0;
        }

        var taken = Math.Clamp(room, 0, jobIds.Count);
        foreach (var id in jobIds.Take(taken))
        {
            Add(id);
        }

        _backlog |= taken < jobIds.Count && !ordered;
        if (taken > 0)
        {
            Publish("aib:{default}:wake", []);
        }

        return taken;
    }

    public IReadOnlyList<ReadyEntry> Read(string consumer, int count)
    {
        if (_lastDelivered is null)
        {
            CreateGroup();
            return [];
        }

        var entries = _entries.Where(entry => entry.Key > _lastDelivered).Take(count).ToList();
        foreach (var (id, _) in entries)
        {
            _lastDelivered = id;
            _pending[id] = (consumer, world.Now);
        }

        return [.. entries.Select(entry => new ReadyEntry($"{entry.Key}-0", entry.Value))];
    }

    public bool Guide(int? inFlight)
    {
        (_inFlight, _guidedUntil) = (inFlight, world.Now + TimeSpan.FromSeconds(3));
        return true;
    }

    public bool IsGuided() => world.Now < _guidedUntil;

    public bool Acknowledge(IEnumerable<string> entryIds)
    {
        foreach (var id in entryIds.Select(id => long.Parse(id.AsSpan(0, id.Length - 2), provider: null)))
        {
            _pending.Remove(id);
            _entries.Remove(id);
        }

        return true;
    }

    public ReadyState Look()
    {
        if (_lastDelivered is not { } last)
        {
            CreateGroup();
            return new ReadyState([], new Dictionary<string, int>());
        }

        return new ReadyState(
            [.. _entries.Where(entry => entry.Key > last).Take(limit).Select(entry => entry.Value)],
            _pending.Values.CountBy(pending => pending.Consumer).ToDictionary()
        );
    }

    public IReadOnlyList<StaleEntry> FindStale(TimeSpan idle) =>
        [
            .. _pending
                .Where(pending => world.Now - pending.Value.At >= idle)
                .Select(pending => new StaleEntry(
                    new($"{pending.Key}-0", _entries.GetValueOrDefault(pending.Key)),
                    pending.Value.Consumer
                )),
        ];

    public bool RemoveConsumer(string consumer) =>
        Acknowledge([.. _pending.Where(pending => pending.Value.Consumer == consumer).Select(pending => $"{pending.Key}-0")]);

    public bool SetBacklog(bool value)
    {
        _backlog = value;
        return value;
    }

    public bool HasBacklog() => _backlog;

    /// <summary>Delivers to whoever listens: each message on its own, so that they overtake each other; some are lost.</summary>
    public long Publish(string channel, byte[] message)
    {
        _listeners.RemoveAll(listener => listener.Process.IsDead);
        foreach (var listener in _listeners.Where(listener => listener.Channel == channel))
        {
            if (world.FaultsOn && world.Schedule.Chance(0.05))
            {
                continue;
            }

            var delay = world.FaultsOn && world.Schedule.Chance(0.2) ? world.Schedule.Between(0, 0.5) : TimeSpan.Zero;
            world.After(delay, () => listener.Process.Do(() => listener.Handler(message)));
        }

        return 0;
    }

    public bool Listen(SimProcess process, string channel, Action<RedisValue> handler)
    {
        _listeners.Add((process, channel, handler));
        return true;
    }

    private void Add(Guid jobId) => _entries[++_lastId] = jobId;

    private void CreateGroup()
    {
        world.Sometimes("the group was created again");
        _lastDelivered = GroupFromEnd ? _lastId : 0;
    }
}

/// <summary>Redis as one process reaches it.</summary>
internal sealed class UnreliableRedis(World world, SimProcess process) : IReadyQueue, IRedisChannels
{
    private readonly SimRedis _redis = world.Redis;

    public string WakeChannel => "aib:{default}:wake";

    public string RoomChannel => "aib:{default}:room";

    public int Limit => _redis.Limit;

    public bool IsConnected => !_redis.IsDown;

    public Task<int> OfferNewAsync(IReadOnlyList<NewJob> jobs) =>
        CallAsync(() => _redis.Offer([.. jobs.Select(job => job.Id)], ordered: false));

    /// <summary>No tenant has slots of its own here.</summary>
    public Task KeepAsync(KeptSlots kept) => Task.CompletedTask;

    public Task<int> OfferOrderedAsync(IReadOnlyList<Guid> jobIds, int? inFlight) =>
        CallAsync(() => _redis.Offer([.. jobIds], ordered: true, inFlight));

    public Task<IReadOnlyList<ReadyEntry>> ReadAsync(string consumer, int count) => CallAsync(() => _redis.Read(consumer, count));

    public Task AcknowledgeAsync(IReadOnlyCollection<string> entryIds) => CallAsync(() => _redis.Acknowledge([.. entryIds]));

    public Task<ReadyState> LookAsync(bool keepsSlots = false) => CallAsync(_redis.Look);

    public Task GuideAsync(int? inFlight) => CallAsync(() => _redis.Guide(inFlight));

    public Task<bool> IsGuidedAsync() => CallAsync(_redis.IsGuided);

    public Task<IReadOnlyList<StaleEntry>> FindStaleAsync(TimeSpan idle) => CallAsync(() => _redis.FindStale(idle));

    public Task DropOrphansAsync() => Task.CompletedTask;

    public Task ClearBacklogAsync() => CallAsync(() => _redis.SetBacklog(false));

    public Task NoteBacklogAsync() => CallAsync(() => _redis.SetBacklog(true));

    public Task<bool> HasBacklogAsync() => CallAsync(_redis.HasBacklog);

    public Task RemoveConsumerAsync(string consumer) => CallAsync(() => _redis.RemoveConsumer(consumer));

    public Task<int> RemoveIdleConsumersAsync(TimeSpan idle) => Task.FromResult(0);

    public Task<long> PublishAsync(string channel, byte[] message) => CallAsync(() => _redis.Publish(channel, message));

    public Task SubscribeAsync(string channel, Action<RedisValue> handler) =>
        CallAsync(() => _redis.Listen(process, channel, handler), certain: true);

    public void ReportFailure(Exception failure) => world.Sometimes("a process noticed that Redis was away");

    private Task<T> CallAsync<T>(Func<T> effect, bool certain = false)
    {
        var reply = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var schedule = world.Schedule;
        var faulty = world.FaultsOn && !certain;
        if (!certain && (_redis.IsDown || (faulty && schedule.Chance(0.02))))
        {
            world.After(TimeSpan.Zero, () => reply.TrySetException(World.RedisOutage()));
            return reply.Task;
        }

        var losesReply = faulty && schedule.Chance(0.02);
        var delay = faulty && schedule.Chance(0.05) ? schedule.Between(0, 1.5) : TimeSpan.Zero;
        world.After(
            delay,
            () =>
            {
                var result = effect();
                _ = losesReply ? reply.TrySetException(World.RedisOutage()) : reply.TrySetResult(result);
            }
        );
        return reply.Task;
    }
}
