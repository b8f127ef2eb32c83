using System.Globalization;
using Aspire.Hosting;

namespace AiBackend.LocalHost.Servers;

/// <summary>Finds the servers' programs where Debian and others install them.</summary>
internal static class ServerPrograms
{
    private const string DebianPostgresRoot = "/usr/lib/postgresql";

    public static string Redis() =>
        OnPath("redis-server")
        ?? throw new DistributedApplicationException(
            "redis-server was not found on the PATH. Install it (Debian: apt-get install redis-server; ./run.sh does that by itself)."
        );

    /// <summary>The directory with Postgres' programs: of the version the data was made with, else the newest.</summary>
    public static string PostgresBin(string? dataVersion)
    {
        var versions =
            from directory in Directory.Exists(DebianPostgresRoot) ? Directory.GetDirectories(DebianPostgresRoot) : []
            let version = Path.GetFileName(directory)
            where File.Exists(Path.Combine(directory, "bin", "postgres")) && (dataVersion ?? version) == version
            orderby int.Parse(version, CultureInfo.InvariantCulture) descending
            select Path.Combine(directory, "bin");
        return versions.FirstOrDefault()
            ?? Path.GetDirectoryName(OnPath("postgres"))
            ?? throw new DistributedApplicationException(
                $"Postgres {dataVersion}was not found in {DebianPostgresRoot} or on the PATH. Install it (Debian: apt-get install postgresql; ./run.sh does that by itself)."
            );
    }

    public static string? OnPath(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(d => Path.Combine(d, program)).FirstOrDefault(File.Exists);
}
