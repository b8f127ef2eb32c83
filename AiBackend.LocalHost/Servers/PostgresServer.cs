using System.Globalization;
using AiBackend.LocalHost.Programs;
using AiBackend.LocalHost.Supervision;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;

namespace AiBackend.LocalHost.Servers;

/// <summary>postgres from the machine's packages, made durable and reachable over TCP on this machine only.</summary>
internal sealed class PostgresServer(PostgresServerResource postgres, StateDirectory state, SupervisionContext context) : IProcessRecipe
{
    private readonly RunAs _runAs = RunAs.ForPostgres();
    private string _data = "";
    private string _bin = "";

    public bool HasHealthCheck => true;

    /// <summary>Fast shutdown: sessions are ended and what they committed is kept. The gentler one waits for every client.</summary>
    public Signal StopSignal => Signal.Interrupt;

    public TimeSpan StopGrace => TimeSpan.FromSeconds(5);

    public IReadOnlyList<string> Children { get; } = [.. postgres.Databases.Select(d => d.Name)];

    public async Task PrepareAsync(CancellationToken cancellationToken)
    {
        _data = _runAs.DirectoryFor(state, postgres.Name, context.Output);
        var versionFile = Path.Combine(_data, "PG_VERSION");
        var hasData = File.Exists(versionFile);
        _bin = ServerPrograms.PostgresBin(hasData ? (await File.ReadAllTextAsync(versionFile, cancellationToken)).Trim() : null);
        if (!hasData)
        {
            await CreateClusterAsync(cancellationToken);
        }
    }

    public Task<ProcessSpec> DescribeAsync(string replicaId, CancellationToken cancellationToken)
    {
        PostgresLock.RemoveIfTakenOver(_data);
        string[] settings =
        [
            "listen_addresses=127.0.0.1",
            string.Create(CultureInfo.InvariantCulture, $"port={postgres.Port}"),
            "unix_socket_directories=",
            "max_connections=200",
            "shared_buffers=128MB",
            "fsync=on",
            "synchronous_commit=on",
            "full_page_writes=on",
            "log_line_prefix=",
        ];
        // As in Aspire, WithArgs adds to the server's command line, where the last word counts.
        var given = postgres.Annotations.OfType<ArgumentsAnnotation>().SelectMany(a => a.Arguments);
        return Task.FromResult(Spec("postgres", ["-D", _data, .. settings.SelectMany(s => (string[])["-c", s]), .. given]));
    }

    public Task<bool> IsHealthyAsync(CancellationToken cancellationToken) =>
        PostgresProbe.IsReadyAsync(postgres.Host, postgres.Port, PostgresServerResource.UserName, cancellationToken);

    public async Task BecameHealthyAsync(CancellationToken cancellationToken)
    {
        foreach (var database in postgres.Databases)
        {
            var quoted = database.DatabaseName.Replace("'", "''", StringComparison.Ordinal);
            var exists = await QueryAsync($"SELECT 1 FROM pg_database WHERE datname = '{quoted}'", cancellationToken);
            if (exists.Length == 0)
            {
                await QueryAsync(
                    $"CREATE DATABASE \"{database.DatabaseName.Replace("\"", "\"\"", StringComparison.Ordinal)}\"",
                    cancellationToken
                );
            }
        }
    }

    private string[] Address =>
        [
            "-h",
            postgres.Host,
            "-p",
            postgres.Port.ToString(CultureInfo.InvariantCulture),
            "-U",
            PostgresServerResource.UserName,
            "-d",
            "postgres",
        ];

    /// <summary>Makes the cluster under another name and renames it, so that a kill on the way leaves nothing half made.</summary>
    private async Task CreateClusterAsync(CancellationToken cancellationToken)
    {
        var draft = _data + ".new";
        if (Directory.Exists(draft))
        {
            Directory.Delete(draft, recursive: true);
        }

        Directory.CreateDirectory(draft, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var passwordFile = Path.Combine(Path.GetDirectoryName(draft)!, $"{postgres.Name}.password");
        StateDirectory.WritePrivateFile(passwordFile, postgres.Password);
        try
        {
            _runAs.TakeOver(draft);
            _runAs.TakeOver(passwordFile);
            string[] arguments =
            [
                .. (string[])["--pgdata", draft, "--username", PostgresServerResource.UserName, "--pwfile", passwordFile],
                .. (string[])["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"],
            ];
            var result = await OneOffProcess.RunAsync(Spec("initdb", arguments), "initdb", context.Ledger, cancellationToken);
            if (result.ExitCode != 0)
            {
                throw new DistributedApplicationException($"initdb could not create {draft}:\n{result.Output}");
            }
        }
        finally
        {
            File.Delete(passwordFile);
        }

        Directory.Move(draft, _data);
    }

    private async Task<string> QueryAsync(string sql, CancellationToken cancellationToken)
    {
        var spec = Spec("psql", [.. Address, "-v", "ON_ERROR_STOP=1", "-X", "-q", "-A", "-t", "-c", sql]);
        var withPassword = spec with
        {
            Environment = new Dictionary<string, string>(spec.Environment) { ["PGPASSWORD"] = postgres.Password },
        };
        var result = await OneOffProcess.RunAsync(withPassword, "psql", context.Ledger, cancellationToken);
        return result.ExitCode == 0 ? result.Output.Trim() : throw new DistributedApplicationException($"psql: {result.Output}");
    }

    private ProcessSpec Spec(string program, IReadOnlyList<string> arguments)
    {
        var (fileName, wrapped) = _runAs.Wrap(Path.Combine(_bin, program), arguments);
        return new(fileName, wrapped, "/", ProgramEnvironment.ForServer());
    }
}
