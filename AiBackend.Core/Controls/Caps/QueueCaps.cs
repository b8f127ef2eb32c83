using AiBackend.Core.Database;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Controls.Caps;

/// <summary>Whether one more job may wait. Decided in memory, so that a refusal takes no time and a submission none more.</summary>
/// <remarks>
/// A count in Postgres, at most once a second and for at most a twentieth of the time, plus what this process has let in since that count
/// began. So this process alone passes no limit; several together by what the others let in since their latest counts. Replays, and what
/// was let in and then not stored, are right again with the next count.
/// </remarks>
public sealed class QueueCaps(
    QueueCounts counts,
    IOptions<BackpressureOptions> options,
    TimeProvider clock,
    Random random,
    ILogger<QueueCaps> logger
)
{
    private const int ShareOfTime = 20;
    private static readonly TimeSpan LeastPause = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly EndingRate _rate = new(clock);
    private QueueCount? _count;
    private LetIn _since = new();
    private LetIn? _sinceNext;
    private double? _perSecond;
    private Task _counting = Task.CompletedTask;
    private long _nextAt;

    /// <summary>Asks for room for one job, and takes it when there is.</summary>
    /// <returns>Why there is none; null when there is.</returns>
    public CapReached? TryEnter(Guid tenantId)
    {
        lock (_gate)
        {
            if (Check(tenantId) is { } reached)
            {
                return reached;
            }

            _since.Add(tenantId);
            _sinceNext?.Add(tenantId);
            return null;
        }
    }

    /// <summary>Asks whether there is room for one job, and takes none.</summary>
    /// <returns>Why there is none; null when there is.</returns>
    public CapReached? Check(Guid tenantId)
    {
        lock (_gate)
        {
            CountIfDue();
            return LoadOf(tenantId) is { } load && load.Check(options.Value) is { } reached
                // Whoever was refused together must not come back together.
                ? reached with
                {
                    RetryAfter = reached.RetryAfter * (1 + (random.NextDouble() / 2)),
                }
                : null;
        }
    }

    /// <summary>How many jobs of a tenant wait, as far as is known without asking anybody.</summary>
    public long WaitingOf(Guid tenantId)
    {
        lock (_gate)
        {
            return LoadOf(tenantId)?.OfTenant ?? 0;
        }
    }

    /// <summary>What waits now, for people.</summary>
    public async Task<QueueCapacity> DescribeAsync()
    {
        Task counting;
        lock (_gate)
        {
            CountIfDue();
            counting = _counting;
        }

        await counting;
        lock (_gate)
        {
            var load = LoadOf(Guid.Empty) ?? default;
            var most = options.Value.MaxQueued;
            return new(load.All, most > 0 ? most : null, load.PerSecond, load.Wait, load.Check(options.Value)?.Limit);
        }
    }

    private QueueLoad? LoadOf(Guid tenantId) =>
        _count is { } count
            ? new(
                count.All + _since.All,
                count.Waiting.GetValueOrDefault(tenantId) + _since.Of(tenantId),
                count.Behind + Math.Max(0, _since.All - Math.Max(0, count.FreeSlots - count.Ready.Values.Sum())),
                count.Ready.GetValueOrDefault(tenantId) + _since.Of(tenantId),
                count.Waiting.Count + (count.Waiting.ContainsKey(tenantId) ? 0 : 1),
                count.Caps.TryGetValue(tenantId, out var cap) ? cap : null,
                _perSecond
            )
            : null;

    private void CountIfDue()
    {
        var now = clock.GetTimestamp();
        if (_counting.IsCompleted && now >= _nextAt)
        {
            // What is let in from now on may or may not be in the count: it counts twice rather than not at all.
            _sinceNext = new LetIn();
            _counting = Task.Run(CountAsync);
        }
    }

    private async Task CountAsync()
    {
        var began = clock.GetTimestamp();
        QueueCount? count = null;
        try
        {
            // None: whoever asks next wants it too; the limit of every statement bounds it.
            count = await counts.ReadAsync(CancellationToken.None);
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            // Safe to go on: the older count holds, with everything let in since. Without Postgres nothing is let in anyhow.
            logger.QueueNotCounted(failure);
        }

        lock (_gate)
        {
            var took = clock.GetElapsedTime(began) * ShareOfTime;
            var pause = took > LeastPause ? took : LeastPause;
            _nextAt = clock.GetTimestamp() + (long)(pause.TotalSeconds * clock.TimestampFrequency);
            if (count is not null)
            {
                (_count, _since, _perSecond) = (count, _sinceNext!, _rate.Add(count.Ended));
            }

            _sinceNext = null;
        }
    }

    /// <summary>Jobs let in since a moment.</summary>
    private sealed class LetIn
    {
        private readonly Dictionary<Guid, long> _tenants = [];

        public long All { get; private set; }

        public long Of(Guid tenantId) => _tenants.GetValueOrDefault(tenantId);

        public void Add(Guid tenantId)
        {
            All++;
            _tenants[tenantId] = Of(tenantId) + 1;
        }
    }
}

/// <summary>What waits, and what may.</summary>
/// <param name="Waiting">Jobs of all tenants.</param>
/// <param name="Most">How many may; null is no limit.</param>
/// <param name="PerSecond">Jobs that end in a second; null when that is not known.</param>
/// <param name="Wait">Expected wait of a new job; null when that is not known.</param>
/// <param name="Reached">The limit that refuses everybody's new jobs now; null when none does.</param>
public sealed record QueueCapacity(long Waiting, long? Most, double? PerSecond, TimeSpan? Wait, string? Reached);
