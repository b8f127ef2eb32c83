using System.Globalization;
using System.Net.Sockets;
using System.Text;
using AiBackend.LocalHost.Programs;
using AiBackend.LocalHost.Supervision;
using Aspire.Hosting.ApplicationModel;

namespace AiBackend.LocalHost.Servers;

/// <summary>redis-server from the machine: every write appended to a log that is flushed each second, nothing ever evicted.</summary>
internal sealed class RedisServer(RedisResource redis, StateDirectory state) : IProcessRecipe
{
    private readonly string _configFile = state.Combine($"{redis.Name}.conf");

    public bool HasHealthCheck => true;

    public Signal StopSignal => Signal.Terminate;

    public TimeSpan StopGrace => TimeSpan.FromSeconds(5);

    public IReadOnlyList<string> Children => [];

    public Task PrepareAsync(CancellationToken cancellationToken)
    {
        // A file and not arguments, which every user of the machine can read.
        StateDirectory.WritePrivateFile(
            _configFile,
            string.Create(
                CultureInfo.InvariantCulture,
                $"""
                bind 127.0.0.1
                port {redis.Port}
                requirepass {redis.Password}
                dir "{state.CreatePrivateDirectory(redis.Name)}"
                appendonly yes
                appendfsync everysec
                save ""
                maxmemory-policy noeviction
                daemonize no

                """
            )
        );
        return Task.CompletedTask;
    }

    public Task<ProcessSpec> DescribeAsync(string replicaId, CancellationToken cancellationToken) =>
        Task.FromResult(new ProcessSpec(ServerPrograms.Redis(), [_configFile], state.Path, ProgramEnvironment.ForServer()));

    public async Task<bool> IsHealthyAsync(CancellationToken cancellationToken)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(redis.Host, redis.Port, cancellationToken);
        await using var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"AUTH {redis.Password}\r\nPING\r\n"), cancellationToken);
        using var reader = new StreamReader(stream, Encoding.ASCII);
        return await reader.ReadLineAsync(cancellationToken) == "+OK" && await reader.ReadLineAsync(cancellationToken) == "+PONG";
    }

    public Task BecameHealthyAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
