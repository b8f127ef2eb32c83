using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Chaos;

/// <summary>A TCP proxy on loopback that spoils what passes, and can be told otherwise while connections live.</summary>
public sealed class FaultProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Func<IPEndPoint> _server;
    private readonly ConcurrentDictionary<ProxiedConnection, Task> _connections = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _accepting;
    private Switch _switch = new(Fault.None);
    private int _accepted;
    private long _reached;

    private FaultProxy(Func<IPEndPoint> server)
    {
        _server = server;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>Where clients connect instead.</summary>
    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>As <see cref="RedisServer.ConnectionString"/>.</summary>
    public string Address => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{Port}");

    /// <summary>Connections that clients have opened so far.</summary>
    public int Accepted => Volatile.Read(ref _accepted);

    /// <summary>How often a fault has done something to somebody: a test of a fault that was never reached proves nothing.</summary>
    public long Reached => Interlocked.Read(ref _reached);

    /// <summary>What happens to every connection from now on.</summary>
    public Fault Fault
    {
        get => Volatile.Read(ref _switch).Fault;
        set => Interlocked.Exchange(ref _switch, new Switch(value)).Over.TrySetResult();
    }

    public static FaultProxy Before(int port) => Before(() => port);

    /// <summary>Before a server that may move.</summary>
    public static FaultProxy Before(Func<int> port) => new(() => new IPEndPoint(IPAddress.Loopback, port()));

    /// <summary>Cuts every open connection, as a restart of something on the way does.</summary>
    public void ResetAll()
    {
        foreach (var connection in _connections.Keys)
        {
            Note();
            connection.Reset();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _accepting;
        foreach (var connection in _connections.Keys)
        {
            connection.Reset();
        }

        await Task.WhenAll(_connections.Values);
        _listener.Dispose();
        _stop.Dispose();
    }

    /// <summary>The fault of now; its task ends when another one begins.</summary>
    internal Switch Current => Volatile.Read(ref _switch);

    internal void Note() => Interlocked.Increment(ref _reached);

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                var client = await _listener.AcceptSocketAsync(_stop.Token);
                Interlocked.Increment(ref _accepted);
                if (Fault.RefusesNew)
                {
                    Note();
                    ProxiedConnection.Reset(client);
                    continue;
                }

                var connection = new ProxiedConnection(this, client, _stop.Token);
                _connections[connection] = ServeAsync(connection);
            }
            catch (Exception end) when (end is OperationCanceledException or SocketException)
            {
                // The proxy ends, or the client was gone before it was accepted.
            }
        }
    }

    private async Task ServeAsync(ProxiedConnection connection)
    {
        await Task.Yield(); // So that the connection is on the list before it can end.
        await connection.RunAsync(_server());
        _connections.TryRemove(connection, out _);
    }

    /// <summary>One setting of the proxy.</summary>
    internal sealed class Switch(Fault fault)
    {
        public Fault Fault { get; } = fault;

        public TaskCompletionSource Over { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
