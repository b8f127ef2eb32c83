using System.Globalization;
using AiBackend.Tests.Fixtures;
using Npgsql;

[assembly: AssemblyFixture(typeof(PostgresServer))]

namespace AiBackend.Tests.Fixtures;

/// <summary>A real Postgres on a random loopback port with its data in a temporary folder, in memory where there is enough.</summary>
/// <remarks>
/// The one that test classes get by constructor is shared and starts when the first test needs it. A test that stops or
/// kills the server starts its own with <see cref="StartNewAsync"/>. Durability across power loss is off (<c>fsync</c>); a
/// commit still waits for its log record, so that killing the server loses nothing.
/// </remarks>
public sealed class PostgresServer : IAsyncLifetime
{
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(30);

    private readonly SemaphoreSlim _gate = new(1);
    private readonly (string Name, string Value)[] _settings;
    private readonly string? _diskSize;
    private string? _folder;
    private ChildProcess? _process;
    private string? _template;

    public PostgresServer()
        : this([], null) { }

    private PostgresServer((string Name, string Value)[] settings, string? diskSize) => (_settings, _diskSize) = (settings, diskSize);

    /// <summary>Stays the same over <see cref="StopAsync"/> and <see cref="StartAsync"/>; 0 before the first start.</summary>
    public int Port { get; private set; }

    private static string Binaries { get; } =
        Directory.Exists("/usr/lib/postgresql")
            ? Directory
                .EnumerateDirectories("/usr/lib/postgresql")
                .OrderByDescending(folder =>
                    int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var version) ? version : 0
                )
                .Select(folder => Path.Combine(folder, "bin"))
                .FirstOrDefault("")
            : "";

    /// <summary>Postgres refuses to run as root, which is who runs tests in most containers.</summary>
    private static string? User => Environment.IsPrivilegedProcess ? "postgres" : null;

    /// <summary>A server for one test alone, to stop or kill; dispose it.</summary>
    /// <param name="settings">Of its configuration, for example <c>("max_connections", "20")</c>.</param>
    public static async Task<PostgresServer> StartNewAsync(params (string Name, string Value)[] settings)
    {
        var server = new PostgresServer(settings, null);
        await server.StartAsync();
        return server;
    }

    /// <summary>A server whose tables are on a disk of their own of this size, to fill; its log is elsewhere.</summary>
    /// <remarks>Only root may mount: elsewhere the test is skipped at a desk.</remarks>
    public static async Task<PostgresServer> StartOnSmallDiskAsync(string diskSize)
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "Only root may mount a small disk.");
        var server = new PostgresServer([], diskSize);
        await server.StartAsync();
        return server;
    }

    /// <summary>Where its tables are.</summary>
    public string DataFolder => Path.Combine(_folder!, "disk", "data");

    /// <summary>A migrated database for one test class; dispose it.</summary>
    public async Task<TestDatabase> CreateDatabaseAsync()
    {
        await _gate.WaitAsync(TestRun.Cancel);
        try
        {
            await EnsureStartedAsync();
            _template ??= await TestDatabase.CreateTemplateAsync(this);
        }
        finally
        {
            _gate.Release();
        }

        return await TestDatabase.CopyAsync(this, _template);
    }

    /// <summary>A database without a schema; dispose it.</summary>
    public async Task<TestDatabase> CreateEmptyDatabaseAsync()
    {
        await StartAsync();
        return await TestDatabase.CopyAsync(this, "template0");
    }

    /// <summary>For Npgsql; the database is not created by asking.</summary>
    public string ConnectionString(string database) =>
        new NpgsqlConnectionStringBuilder
        {
            Host = "127.0.0.1",
            Port = Port,
            Username = "postgres",
            Database = database,
        }.ConnectionString;

    /// <summary>Starts it, or starts it again after <see cref="StopAsync"/> or <see cref="KillAsync"/>.</summary>
    public async Task StartAsync()
    {
        await _gate.WaitAsync(TestRun.Cancel);
        try
        {
            await EnsureStartedAsync();
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Fast shutdown: open connections are cut, everything is on disk.</summary>
    public Task StopAsync() => EndAsync(Signal.Interrupt);

    /// <summary>Immediate shutdown: nobody is asked and nothing is written; the next start recovers.</summary>
    public Task StopAtOnceAsync() => EndAsync(Signal.Quit);

    /// <summary>As when the machine's out-of-memory killer takes it; the next start recovers.</summary>
    public Task KillAsync() => EndAsync(Signal.Kill);

    ValueTask IAsyncLifetime.InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            await EndAsync(Signal.Quit);
        }

        if (_folder is not null)
        {
            if (_diskSize is not null)
            {
                await ChildProcess.RunAsync(TestRun.Require("umount", "/usr/bin", "/bin"), ["--lazy", Path.Combine(_folder, "disk")]);
            }

            TestFolder.Remove(_folder);
        }

        _gate.Dispose();
    }

    private async Task EnsureStartedAsync()
    {
        if (_process is { HasExited: false })
        {
            return;
        }

        var postgres = TestRun.Require("postgres", Binaries);
        _folder ??= await InitializeFolderAsync(postgres);
        Port = Port == 0 ? FreePort.Next() : Port;
        // The backends of a killed server hold its shared memory for a moment, and a new server refuses to start until then.
        await Eventually.TrueAsync(_ => TryStartAsync(postgres), "Postgres accepts connections", StartPatience);
    }

    private async Task<string> InitializeFolderAsync(string postgres)
    {
        var folder = TestFolder.CreateInMemory("postgres");
        var disk = Directory.CreateDirectory(Path.Combine(folder, "disk")).FullName;
        if (_diskSize is not null)
        {
            await ChildProcess.RunAsync(
                TestRun.Require("mount", "/usr/bin", "/bin"),
                ["-t", "tmpfs", "-o", "size=" + _diskSize, "tmpfs", disk]
            );
        }

        if (User is not null)
        {
            await ChildProcess.RunAsync(TestRun.Require("chown"), ["-R", User, folder]);
        }

        var initdb = Path.Combine(Path.GetDirectoryName(postgres)!, "initdb");
        string[] options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"];
        await ChildProcess.RunAsync(
            initdb,
            ["--pgdata=" + Path.Combine(disk, "data"), "--waldir=" + Path.Combine(folder, "log"), .. options],
            User
        );
        return folder;
    }

    private async Task<bool> TryStartAsync(string postgres)
    {
        if (_process is null or { HasExited: true })
        {
            _process?.Dispose();
            _process = await ChildProcess.StartAsync(postgres, Options(), orphanSignal: "QUIT", user: User);
        }

        while (!_process.HasExited)
        {
            try
            {
                await using var probe = NpgsqlDataSource.Create(ConnectionString("postgres") + ";Pooling=false");
                await using var connection = await probe.OpenConnectionAsync(TestRun.Cancel);
                return true;
            }
            catch (NpgsqlException)
            {
                await Task.Delay(20, TestRun.Cancel);
            }
        }

        throw new InvalidOperationException(_process.Output);
    }

    private string[] Options() =>
        [
            "-D",
            DataFolder,
            "-h",
            "127.0.0.1",
            "-p",
            Port.ToString(CultureInfo.InvariantCulture),
            .. Setting("unix_socket_directories", ""),
            .. Setting("fsync", "off"),
            .. Setting("full_page_writes", "off"),
            .. Setting("synchronous_commit", "on"),
            .. Setting("max_connections", "300"),
            .. Setting("shared_buffers", "64MB"),
            .. Setting("max_wal_size", "256MB"),
            .. _settings.SelectMany(setting => Setting(setting.Name, setting.Value)),
        ];

    private static string[] Setting(string name, string value) => ["-c", $"{name}={value}"];

    private async Task EndAsync(Signal signal)
    {
        _process?.Signal(signal);
        // Not the test's token: at the end of an aborted run the server must still be stopped.
        using var patience = new CancellationTokenSource(StartPatience);
        await (_process?.WaitForExitAsync(patience.Token) ?? Task.CompletedTask);
        _process?.Dispose();
        _process = null;
    }
}
