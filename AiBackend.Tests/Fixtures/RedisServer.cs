using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace AiBackend.Tests.Fixtures;

/// <summary>A real Redis on a random loopback port that keeps nothing on disk unless told to: a class fixture, or one test's own.</summary>
public sealed class RedisServer : IAsyncLifetime
{
    private readonly string[] _options;
    private ChildProcess? _process;
    private string? _folder;

    public RedisServer()
        : this([]) { }

    private RedisServer(string[] options) => _options = options;

    /// <summary>Stays the same over stops and starts.</summary>
    public int Port { get; private set; }

    /// <summary>What <c>ConnectionStrings:redis</c> holds.</summary>
    public string ConnectionString => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{Port}");

    /// <summary>Where it keeps its files.</summary>
    public string Folder => _folder ?? throw new InvalidOperationException("Redis was not started.");

    /// <param name="options">For its command line, for example <c>--appendonly yes</c>: then it keeps what it held.</param>
    public static async Task<RedisServer> StartNewAsync(params string[] options)
    {
        var server = new RedisServer(options);
        await server.StartAsync();
        return server;
    }

    public ValueTask InitializeAsync() => new(StartAsync());

    /// <summary>Starts it, or starts it again, empty unless told to keep a file, after <see cref="StopAsync"/> or <see cref="KillAsync"/>.</summary>
    public async Task StartAsync()
    {
        var redis = TestRun.Require("redis-server", "/usr/bin", "/usr/local/bin");
        _folder ??= TestFolder.Create("redis");
        Port = Port == 0 ? FreePort.Next() : Port;
        await Eventually.TrueAsync(_ => TryStartAsync(redis), "Redis answers");
    }

    /// <summary>Tries to start it with files that it cannot use.</summary>
    /// <returns>What it said before it ended.</returns>
    public async Task<string> StartInVainAsync()
    {
        using var process = await ChildProcess.StartAsync(TestRun.Require("redis-server", "/usr/bin", "/usr/local/bin"), Options());
        await process.WaitForExitAsync(TestRun.Cancel);
        return process.Output;
    }

    /// <summary>Ends it in order.</summary>
    public Task StopAsync() => EndAsync(Signal.Terminate);

    /// <summary>Ends it without a word.</summary>
    public Task KillAsync() => EndAsync(Signal.Kill);

    /// <summary>Keeps its connections open and answers nothing, as a blackholed network does.</summary>
    public void Freeze() => _process?.Signal(Signal.Stop);

    /// <summary>Undoes <see cref="Freeze"/>.</summary>
    public void Thaw() => _process?.Signal(Signal.Continue);

    /// <summary>Removes every key, as an operator's mistake does.</summary>
    public Task FlushAsync(CancellationToken cancellationToken) => SayAsync("FLUSHALL", "+OK", cancellationToken);

    /// <summary>Runs an inline command, such as <c>CONFIG SET maxmemory 1</c>, that must not fail.</summary>
    public Task SayAsync(string command) => SayAsync(command, null, TestRun.Cancel);

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
            .. _options,
        ];

    private async Task SayAsync(string command, string? expected, CancellationToken cancellationToken)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, Port, cancellationToken);
        await using var stream = client.GetStream();
        using var reader = new StreamReader(stream);
        await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes(command + "\r\n"), cancellationToken);

        var answer = await reader.ReadLineAsync(cancellationToken);
        if (expected is not null ? answer != expected : answer?.StartsWith('-') != false)
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
