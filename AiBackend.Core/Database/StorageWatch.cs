using Microsoft.Extensions.Logging;
using Npgsql;

namespace AiBackend.Core.Database;

/// <summary>What a process knows of the health of its Postgres, from everybody in it who was disappointed.</summary>
public interface IStorageWatch
{
    /// <summary>Postgres was asked since the last failure and did not answer: whoever can wait should not even try.</summary>
    bool IsAway { get; }

    /// <summary>The trouble of the last seconds that says most: no room before no connection before anything else; null when all is well.</summary>
    StorageTrouble? Recent { get; }

    /// <summary>Time since Postgres was last known to be away; null when it never was.</summary>
    TimeSpan? SinceAway { get; }

    /// <summary>Tells of a failed statement. Logs at most once a second, and asks Postgres itself when it seems to be away.</summary>
    /// <returns>Whether it was trouble of the storage; if not, it is the caller's to explain.</returns>
    bool Report(Exception failure);

    /// <summary>Returns at once while Postgres answers, and else soon after it answers again.</summary>
    Task WaitUntilBackAsync(CancellationToken cancellationToken);
}

/// <summary>A breaker that believes nobody: a report makes it ask Postgres, and only its own question opens and closes it.</summary>
/// <remarks>
/// So neither a lock nor a slow statement, nor one cut connection among many, turns everybody away. The question has a connection
/// and a time limit of its own, because a pool that is used up says nothing about the server.
/// </remarks>
public sealed class StorageWatch : IStorageWatch, IAsyncDisposable
{
    private static readonly TimeSpan ProbeInterval = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan ProbeLimit = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LogPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan News = TimeSpan.FromSeconds(10);

    private static readonly StorageTrouble[] Telling =
    [
        StorageTrouble.Full,
        StorageTrouble.Exhausted,
        StorageTrouble.Unreachable,
        StorageTrouble.Busy,
    ];

    private readonly NpgsqlDataSource _probe;
    private readonly NpgsqlDataSource[] _pools;
    private readonly TimeProvider _clock;
    private readonly ILogger<StorageWatch> _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private Task _probing = Task.CompletedTask;
    private TaskCompletionSource? _back;
    private readonly long[] _troubledAt = new long[Enum.GetValues<StorageTrouble>().Length];
    private long _awayAt;
    private long _loggedAt;

    /// <param name="connectionString">Of the Postgres to watch.</param>
    /// <param name="pools">Connections to the same server: all of them are suspect when one breaks.</param>
    /// <param name="clock">Paces the questions.</param>
    /// <param name="logger">Is told of trouble, once a second at most.</param>
    public StorageWatch(string connectionString, NpgsqlDataSource[] pools, TimeProvider clock, ILogger<StorageWatch> logger)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString)
        {
            Pooling = false,
            Timeout = (int)ProbeLimit.TotalSeconds,
            CommandTimeout = (int)ProbeLimit.TotalSeconds,
            // Without an answer there is nobody to send a cancellation to.
            CancellationTimeout = -1,
        };
        _probe = NpgsqlDataSource.Create(settings.ConnectionString);
        _pools = pools;
        _clock = clock;
        _logger = logger;
    }

    /// <inheritdoc />
    public bool IsAway => Volatile.Read(ref _back) is not null;

    /// <inheritdoc />
    public StorageTrouble? Recent
    {
        get
        {
            lock (_gate)
            {
                StorageTrouble[] news =
                [
                    .. Telling.Where(trouble => _troubledAt[(int)trouble] is not 0 and var at && _clock.GetElapsedTime(at) < News),
                ];
                return news is [var first, ..] ? first : null;
            }
        }
    }

    /// <inheritdoc />
    public TimeSpan? SinceAway => Interlocked.Read(ref _awayAt) is not 0 and var at ? _clock.GetElapsedTime(at) : null;

    /// <inheritdoc />
    public bool Report(Exception failure)
    {
        if (StorageFailures.Of(failure) is not { } trouble)
        {
            return false;
        }

        var now = _clock.GetTimestamp();
        bool log;
        lock (_gate)
        {
            _troubledAt[(int)trouble] = now;
            log = _loggedAt == 0 || _clock.GetElapsedTime(_loggedAt, now) >= LogPause;
            _loggedAt = log ? now : _loggedAt;
            if (trouble == StorageTrouble.Unreachable)
            {
                if (_probing.IsCompleted && !_stop.IsCancellationRequested)
                {
                    // A statement that only took too long has not broken anything.
                    var isBroken = failure is not TimeoutException && failure.InnerException is not TimeoutException;
                    // None: ends itself when the process stops.
                    _probing = Task.Run(() => ProbeAsync(isBroken), CancellationToken.None);
                }
            }
        }

        if (log)
        {
            _logger.StorageTroubled(failure, trouble);
        }

        return true;
    }

    /// <inheritdoc />
    public Task WaitUntilBackAsync(CancellationToken cancellationToken) =>
        Volatile.Read(ref _back)?.Task.WaitAsync(cancellationToken) ?? Task.CompletedTask;

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        Task probing;
        lock (_gate)
        {
            _stop.Cancel();
            probing = _probing;
        }

        await probing;
        await _probe.DisposeAsync();
        _stop.Dispose();
    }

    private async Task ProbeAsync(bool isBroken)
    {
        var begunAt = _clock.GetTimestamp();
        try
        {
            if (isBroken)
            {
                ForgetConnections();
            }

            while (!await AnswersAsync())
            {
                Interlocked.Exchange(ref _awayAt, _clock.GetTimestamp());
                Interlocked.CompareExchange(ref _back, new(TaskCreationOptions.RunContinuationsAsynchronously), null);
                await Task.Delay(ProbeInterval, _clock, _stop.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // The process stops; who waits has a token of its own.
            return;
        }

        if (Interlocked.Exchange(ref _back, null) is { } waiting)
        {
            ForgetConnections();
            _logger.StorageReturned(_clock.GetElapsedTime(begunAt).TotalSeconds);
            waiting.TrySetResult();
        }
    }

    /// <summary>A connection that died in the pool would fail whoever is given it, one after the other, long after the server is back.</summary>
    private void ForgetConnections()
    {
        foreach (var pool in _pools)
        {
            pool.Clear();
        }
    }

    private async Task<bool> AnswersAsync()
    {
        try
        {
            await using var command = _probe.CreateCommand("SELECT pg_is_in_recovery()");
            return await command.ExecuteScalarAsync(_stop.Token) is false;
        }
        catch (Exception failure) when (failure is not OperationCanceledException)
        {
            // A server that says why it refuses is there.
            return failure is PostgresException && StorageFailures.Of(failure) is not StorageTrouble.Unreachable;
        }
    }
}
