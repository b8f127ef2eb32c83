using Aspire.Hosting;
using Microsoft.Extensions.Configuration;

namespace AiBackend.LocalHost.Supervision;

/// <summary>What this host itself is told by configuration.</summary>
internal sealed record HostSettings(string StateDirectory, bool RandomizePorts, bool Console)
{
    public const string StateDirectoryKey = "AIBACKEND_STATE_DIR";
    public const string RandomizePortsKey = "DcpPublisher:RandomizePorts";
    public const string ConsoleKey = "AiBackend:LocalHost:Console";

    public static HostSettings From(IDistributedApplicationBuilder builder)
    {
        var root = Path.GetFullPath("..", builder.AppHostDirectory);
        return new(
            Path.GetFullPath(builder.Configuration[StateDirectoryKey] is { Length: > 0 } given ? given : ".local", root),
            builder.Configuration.GetValue(RandomizePortsKey, false),
            builder.Configuration.GetValue(ConsoleKey, true)
        );
    }
}
