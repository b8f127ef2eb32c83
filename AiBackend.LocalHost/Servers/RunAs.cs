using System.Diagnostics;
using AiBackend.LocalHost.Supervision;
using Aspire.Hosting;

namespace AiBackend.LocalHost.Servers;

/// <summary>
/// Postgres refuses to run as root. When this host does, its server runs as the system's <c>postgres</c> user, in a directory that
/// user owns; and since such a directory is of no use below one it may not enter (a checkout in /root), the data then goes to
/// <c>/var/lib</c> under a name kept in the state directory.
/// </summary>
internal sealed record RunAs(string? User)
{
    private const string PostgresUser = "postgres";
    private const string FallbackRoot = "/var/lib/aibackend-local";

    public static RunAs ForPostgres() =>
        Environment.IsPrivilegedProcess && Environment.UserName == "root" ? new(PostgresUser) : new((string?)null);

    /// <summary>The command that runs <paramref name="fileName"/> as this user.</summary>
    public (string FileName, IReadOnlyList<string> Arguments) Wrap(string fileName, IReadOnlyList<string> arguments) =>
        User is null ? (fileName, arguments) : ("setpriv", [$"--reuid={User}", $"--regid={User}", "--init-groups", fileName, .. arguments]);

    /// <summary>A directory for data of this user: in the state directory where that can be reached.</summary>
    public string DirectoryFor(StateDirectory state, string name, HostOutput output)
    {
        if (User is null || CanEnter(state.Path))
        {
            return state.Combine(name);
        }

        var pointer = state.Combine(name + StateDirectory.LocationSuffix);
        if (!File.Exists(pointer))
        {
            var path = Path.Combine(FallbackRoot, Guid.CreateVersion7().ToString("n"), name);
            output.Say($"user {User} may not enter {state.Path}, so {name} keeps its data in {path}");
            File.WriteAllText(pointer, path);
        }

        var location = File.ReadAllText(pointer).Trim();
        Directory.CreateDirectory(Path.GetDirectoryName(location)!);
        return location;
    }

    /// <summary>Gives the directory to this user.</summary>
    public void TakeOver(string directory)
    {
        if (User is not null && Run("chown", [$"{User}:", directory]) != 0)
        {
            throw new DistributedApplicationException(
                $"{directory} could not be given to user {User}. Does the user exist? `id {User}` must succeed."
            );
        }
    }

    private bool CanEnter(string directory)
    {
        var (fileName, arguments) = Wrap("/usr/bin/test", ["-x", directory]);
        return Run(fileName, arguments) == 0;
    }

    private static int Run(string fileName, IReadOnlyList<string> arguments)
    {
        using var process = Process.Start(
            new ProcessStartInfo(fileName, arguments) { RedirectStandardError = true, UseShellExecute = false }
        );
        process!.WaitForExit();
        return process.ExitCode;
    }
}
