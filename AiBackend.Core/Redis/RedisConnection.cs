using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace AiBackend.Core.Redis;

/// <summary>Messages between processes: hints, each of which may be lost.</summary>
public interface IRedisChannels
{
    /// <summary>Whether Redis can be expected to answer now.</summary>
    bool IsConnected { get; }

    /// <summary>Sends a message to whoever listens now.</summary>
    /// <exception cref="RedisException">Redis is away.</exception>
    /// <exception cref="TimeoutException">No answer within the limit; the connection has been replaced.</exception>
    Task<long> PublishAsync(string channel, byte[] message);

    /// <summary>Calls <paramref name="handler"/> for every message from now on; it must return at once.</summary>
    /// <remarks>Messages sent while the connection is down are gone: every listener needs another way to catch up.</remarks>
    Task SubscribeAsync(string channel, Action<RedisValue> handler);

    /// <summary>Logs a failed hint at most once a second: an outage would otherwise fill the log.</summary>
    void ReportFailure(Exception failure);
}

/// <summary>The process' connection to Redis: commands with a time limit, and subscriptions that survive a replaced connection.</summary>
/// <remarks>
/// The client multiplexes, so nothing here may block. It has no time-out of its own for asynchronous calls: a frozen server
/// would hold them for minutes, so a command over the limit replaces the connection.
/// </remarks>
public sealed class RedisConnection : IRedisChannels, IAsyncDisposable
{
    private readonly ConfigurationOptions _options;
    private readonly TimeSpan _timeout;
    private readonly string _probeKey;
    private readonly TimeProvider _clock;
    private readonly ILogger<RedisConnection> _logger;
    private readonly SemaphoreSlim _connecting = new(1, 1);
    private readonly Lock _gate = new();
    private readonly List<(RedisChannel Channel, Action<RedisValue> Handler)> _subscriptions = [];
    private ConnectionMultiplexer? _connection;
    private long _lastFailureLoggedAt;

    /// <summary>Reads the connection string; connects on first use.</summary>
    /// <exception cref="InvalidOperationException">The connection string is missing.</exception>
    public RedisConnection(
        IConfiguration configuration,
        IOptions<RedisOptions> options,
        TimeProvider clock,
        ILogger<RedisConnection> logger
    )
    {
        var connectionString =
            configuration.GetConnectionString("redis")
            ?? throw new InvalidOperationException(
                "ConnectionStrings__redis is not set. Start the stack with ./run.sh, or set it to host:port,password=…"
            );
        _options = ConfigurationOptions.Parse(connectionString);
        _options.AbortOnConnectFail = false;
        _options.ConnectTimeout = 2000;
        _options.KeepAlive = 5;
        // The library's default grows with the outage; back to normal soon after Redis' return is worth a try a second.
        _options.ReconnectRetryPolicy = new LinearRetry(1000);
        _timeout = options.Value.Timeout;
        _probeKey = options.Value.KeyPrefix + ":probe";
        _clock = clock;
        _logger = logger;
    }

    /// <inheritdoc />
    public bool IsConnected => Volatile.Read(ref _connection)?.IsConnected ?? false;

    /// <summary>Runs one command.</summary>
    /// <exception cref="RedisException">Redis refused it or is away.</exception>
    /// <exception cref="TimeoutException">No answer within the limit; the connection has been replaced.</exception>
    public Task<RedisResult> ExecuteAsync(string command, params object[] arguments) =>
        WithTimeLimitAsync(database => database.ExecuteAsync(command, arguments));

    /// <summary>Runs a script, once more when Redis has forgotten it.</summary>
    /// <exception cref="RedisException">Redis refused it or is away.</exception>
    /// <exception cref="TimeoutException">No answer within the limit; the connection has been replaced.</exception>
    public async Task<RedisResult> EvaluateAsync(string script, RedisKey[] keys, RedisValue[] arguments)
    {
        try
        {
            return await WithTimeLimitAsync(database => database.ScriptEvaluateAsync(script, keys, arguments));
        }
        catch (RedisServerException forgotten) when (forgotten.Message.StartsWith("NOSCRIPT", StringComparison.Ordinal))
        {
            return await WithTimeLimitAsync(database => database.ScriptEvaluateAsync(script, keys, arguments));
        }
    }

    /// <inheritdoc />
    public Task<long> PublishAsync(string channel, byte[] message) =>
        WithTimeLimitAsync(database => database.PublishAsync(Channel(channel), message));

    /// <inheritdoc />
    public async Task SubscribeAsync(string channel, Action<RedisValue> handler)
    {
        var subscription = (Channel(channel), handler);
        lock (_gate)
        {
            _subscriptions.Add(subscription);
        }

        if (Volatile.Read(ref _connection) is { } connection)
        {
            await SubscribeAsync(connection, subscription);
        }
        else
        {
            await ConnectAsync(); // Subscribes to everything on the list.
        }
    }

    /// <summary>Asks Redis to answer and to take a write: one that is full, or a replica, answers and is of no use.</summary>
    /// <exception cref="RedisException">Redis refused it or is away.</exception>
    /// <exception cref="TimeoutException">No answer within the limit; the connection has been replaced.</exception>
    public Task ProbeAsync() => ExecuteAsync("SET", (RedisKey)_probeKey, "1", "PX", "60000");

    /// <inheritdoc />
    public void ReportFailure(Exception failure)
    {
        if (MayLog())
        {
            _logger.RedisUnavailable(failure);
        }
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _connection, null) is { } connection)
        {
            await connection.CloseAsync(allowCommandsToComplete: false);
            connection.Dispose();
        }

        _connecting.Dispose();
    }

    private bool MayLog()
    {
        var now = _clock.GetTimestamp();
        var last = Interlocked.Read(ref _lastFailureLoggedAt);
        return (last == 0 || _clock.GetElapsedTime(last, now) >= TimeSpan.FromSeconds(1))
            && Interlocked.CompareExchange(ref _lastFailureLoggedAt, now, last) == last;
    }

    private static RedisChannel Channel(string name) => new(name, RedisChannel.PatternMode.Literal);

    private async Task<T> WithTimeLimitAsync<T>(Func<IDatabase, Task<T>> command)
    {
        var connection = Volatile.Read(ref _connection) ?? await ConnectAsync().WaitAsync(_timeout, _clock);
        try
        {
            return await command(connection.GetDatabase()).WaitAsync(_timeout, _clock);
        }
        catch (TimeoutException)
        {
            Replace(connection);
            throw;
        }
    }

    private async Task<ConnectionMultiplexer> ConnectAsync()
    {
        await _connecting.WaitAsync();
        try
        {
            if (_connection is { } existing)
            {
                return existing;
            }

#pragma warning disable RS0030 // The one place that connects.
            var connection = await ConnectionMultiplexer.ConnectAsync(_options);
#pragma warning restore RS0030
            Volatile.Write(ref _connection, connection);
            (RedisChannel, Action<RedisValue>)[] subscriptions;
            lock (_gate)
            {
                subscriptions = [.. _subscriptions];
            }

            foreach (var subscription in subscriptions)
            {
                await SubscribeAsync(connection, subscription);
            }

            return connection;
        }
        finally
        {
            _connecting.Release();
        }
    }

    private async Task ReconnectAsync()
    {
        try
        {
            await ConnectAsync();
        }
        catch (Exception failure) when (failure is RedisException or TimeoutException or ObjectDisposedException)
        {
            // The next command tries again.
            ReportFailure(failure);
        }
    }

    private async Task SubscribeAsync(ConnectionMultiplexer connection, (RedisChannel Channel, Action<RedisValue> Handler) subscription)
    {
        try
        {
            await connection
                .GetSubscriber()
                .SubscribeAsync(subscription.Channel, (_, message) => subscription.Handler(message))
                .WaitAsync(_timeout, _clock);
        }
        catch (Exception failure) when (failure is RedisException or TimeoutException)
        {
            // The client keeps the subscription and sends it when the server answers again.
            ReportFailure(failure);
        }
    }

    private void Replace(ConnectionMultiplexer frozen)
    {
        if (Interlocked.CompareExchange(ref _connection, null, frozen) != frozen)
        {
            return; // Another caller has done it.
        }

        if (MayLog())
        {
            _logger.RedisReplaced(_timeout.TotalSeconds);
        }

        // Closing waits for a server that does not answer; nobody needs to wait with it.
        _ = Task.Run(frozen.Dispose);
        _ = ReconnectAsync();
    }
}
