using System.Collections.Concurrent;
using System.Threading.Channels;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Core.Redis;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Events;

/// <summary>Hands committed events to the readers of this process.</summary>
/// <remarks>
/// Notifications come from Redis; because they can be lost, one query asks Postgres for the latest numbers of all watched
/// jobs: every 2 s, and every 250 ms while Redis is away. A reader that misses one catches up from the log.
/// </remarks>
public sealed class JobEventFeed(
    IRedisChannels redis,
    IJobEventLog log,
    IStorageWatch storage,
    MessageSeal seal,
    IOptions<RedisOptions> options,
    TimeProvider clock,
    ILogger<JobEventFeed> logger
) : BackgroundService
{
    private static readonly TimeSpan SlowPoll = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan FastPoll = TimeSpan.FromMilliseconds(250);

    private readonly ConcurrentDictionary<Guid, Subscription[]> _subscriptions = new();

    /// <summary>Jobs that somebody reads now.</summary>
    public int WatchedCount => _subscriptions.Count;

    /// <summary>Starts to collect a job's events; dispose to stop.</summary>
    internal Subscription Subscribe(Guid jobId)
    {
        var first = new Subscription(jobId, Remove, new());
        var subscription = first;
        _subscriptions.AddOrUpdate(
            jobId,
            _ => [subscription = first],
            (_, others) => [.. others, subscription = new(jobId, Remove, others[0].Final)]
        );
        return subscription;
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await seal.PrepareAsync();
        var channel = JobSignals.EventsChannel(options.Value);
        await redis.SubscribeAsync(channel, message => Deliver(seal.Open(channel, message)));
        using var timer = new PeriodicTimer(FastPoll, clock);
        var lastPoll = clock.GetTimestamp();
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            if (storage.IsAway)
            {
                continue; // Nothing can be new, and readers learn of the return from the first poll after it.
            }

            if (!redis.IsConnected || clock.GetElapsedTime(lastPoll) >= SlowPoll)
            {
                lastPoll = clock.GetTimestamp();
                await PollAsync(stoppingToken);
            }
        }
    }

    private void Deliver(ReadOnlyMemory<byte>? bundle)
    {
        foreach (var record in EventBundle.Decode(bundle ?? default))
        {
            if (_subscriptions.TryGetValue(record.JobId, out var subscriptions))
            {
                // A copy of its own: a reader's buffer must not keep the message with everybody else's events alive.
                var own = record with
                {
                    Data = record.Data.ToArray(),
                };
                foreach (var subscription in subscriptions)
                {
                    subscription.Offer(own);
                }
            }
        }
    }

    private async Task PollAsync(CancellationToken cancellationToken)
    {
        try
        {
            foreach (var ids in _subscriptions.Keys.Chunk(1000))
            {
                foreach (var (jobId, latest) in await log.ReadLatestAsync(ids, cancellationToken))
                {
                    if (_subscriptions.TryGetValue(jobId, out var subscriptions))
                    {
                        foreach (var subscription in subscriptions)
                        {
                            subscription.Hint(latest);
                        }
                    }
                }
            }
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            // Safe to go on: the next tick asks again, and readers that need Postgres see the outage themselves.
            if (!storage.Report(failure))
            {
                logger.EventPollFailed(failure);
            }
        }
    }

    private void Remove(Subscription subscription)
    {
        while (_subscriptions.TryGetValue(subscription.JobId, out var current))
        {
            var rest = Array.FindAll(current, other => other != subscription);
            var removed =
                rest.Length == 0
                    ? _subscriptions.TryRemove(KeyValuePair.Create(subscription.JobId, current))
                    : _subscriptions.TryUpdate(subscription.JobId, rest, current);
            if (removed)
            {
                return;
            }
        }
    }

    /// <summary>A bounded buffer of one reader: when it is full the reader has fallen behind and reads the log instead.</summary>
    internal sealed class Subscription(Guid jobId, Action<Subscription> remove, SharedFinal final) : IDisposable
    {
        private const int Capacity = 256;

        private readonly Channel<JobEventRecord> _events = Channel.CreateBounded<JobEventRecord>(
            new BoundedChannelOptions(Capacity) { SingleReader = true, FullMode = BoundedChannelFullMode.DropWrite }
        );

        public Guid JobId { get; } = jobId;

        public ChannelReader<JobEventRecord> Events => _events.Reader;

        /// <summary>One for all readers of the job.</summary>
        public SharedFinal Final { get; } = final;

        // A dropped event leaves a gap in the numbers, and a gap sends the reader to the log.
        public void Offer(JobEventRecord record) => _events.Writer.TryWrite(record);

        /// <summary>Says that events up to <paramref name="latest"/> exist, without their payload: the last one's is never sent anyway.</summary>
        public void Hint(LatestEvent latest) =>
            Offer(new JobEventRecord(JobId, latest.Seq, latest.HasEnded ? JobEventKind.Final : default, default));

        public void Dispose() => remove(this);
    }
}
