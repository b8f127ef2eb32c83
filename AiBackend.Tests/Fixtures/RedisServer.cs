using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace AiBackend.Tests.Fixtures;

/// <summary>A real Redis on a random loopback port that keeps nothing on disk: a class fixture, or one test's own.</summary>
public sealed class RedisServer : IAsyncLifetime
{
    private ChildProcess? _process;
    private string? _folder;

    /// <summary>Stays the same over stops and starts.</summary>
    public int Port { get; private set; }

    /// <summary>What <c>ConnectionStrings:redis</c> holds.</summary>
    public string ConnectionString => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{Port}");

    public static async Task<RedisServer> StartNewAsync()
    {
        var server = new RedisServer();
        await server.StartAsync();
        return server;
    }

    public ValueTask InitializeAsync() => new(StartAsync());

    /// <summary>Starts it, or starts it again, empty, after <see cref="StopAsync"/> or <see cref="KillAsync"/>.</summary>
    public async Task StartAsync()
    {
        var redis = TestRun.Require("redis-server", "/usr/bin", "/usr/local/bin");
        _folder ??= TestFolder.Create("redis");
        Port = Port == 0 ? FreePort.Next() : Port;
        await Eventually.TrueAsync(_ => TryStartAsync(redis), "Redis answers");
    }

    /// <summary>Ends it in order; what it held is gone.</summary>
    public Task StopAsync() => EndAsync(Signal.Terminate);

    /// <summary>Ends it without a word.</summary>
    public Task KillAsync() => EndAsync(Signal.Kill);

    /// <summary>Keeps its connections open and answers nothing, as a blackholed network does.</summary>
    public void Freeze() => _process?.Signal(Signal.Stop);

    /// <summary>Undoes <see cref="Freeze"/>.</summary>
    public void Thaw() => _process?.Signal(Signal.Continue);

    /// <summary>Removes every key, as an operator's mistake does.</summary>
    public Task FlushAsync(CancellationToken cancellationToken) => SayAsync("FLUSHALL", "+OK", cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await EndAsync(Signal.Kill);
        if (_folder is not null)
        {
            TestFolder.Remove(_folder);
        }
    }

    private async Task<bool> TryStartAsync(string redis)
    {
        if (_process is null or { HasExited: true })
        {
            _process?.Dispose();
            _process = await ChildProcess.StartAsync(redis, Options());
        }

        while (!_process.HasExited)
        {
            try
            {
                await SayAsync("PING", "+PONG", TestRun.Cancel);
                return true;
            }
            catch (SocketException)
            {
                await Task.Delay(10, TestRun.Cancel);
            }
        }

        throw new InvalidOperationException(_process.Output);
    }

    private string[] Options() =>
        [
            "--port",
            Port.ToString(CultureInfo.InvariantCulture),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            _folder!,
        ];

    private async Task SayAsync(string command, string expected, CancellationToken cancellationToken)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, Port, cancellationToken);
        await using var stream = client.GetStream();
        using var reader = new StreamReader(stream);
        await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes(command + "\r\n"), cancellationToken);

        var answer = await reader.ReadLineAsync(cancellationToken);
        if (answer != expected)
        {
            throw new InvalidOperationException($"Redis answered '{answer}' to {command}.");
        }
    }

    private async Task EndAsync(Signal signal)
    {
        _process?.Signal(signal);
        // A frozen process receives other signals only once it runs again.
        _process?.Signal(Signal.Continue);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        await (_process?.WaitForExitAsync(patience.Token) ?? Task.CompletedTask);
        _process?.Dispose();
        _process = null;
    }
}
