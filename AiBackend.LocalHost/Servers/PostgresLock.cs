using System.Globalization;

namespace AiBackend.LocalHost.Servers;

/// <summary>
/// Postgres refuses to start while the pid in its <c>postmaster.pid</c> belongs to any process of its user. After a container or
/// machine was killed and started anew, that is soon some other program, and the server would never come back.
/// </summary>
internal static class PostgresLock
{
    /// <summary>
    /// Removes the file when its process lives and is no server. A dead one's file stays: from it Postgres itself learns
    /// whether sessions of the dead server still hold its memory.
    /// </summary>
    public static void RemoveIfTakenOver(string data)
    {
        var path = Path.Combine(data, "postmaster.pid");
        if (!File.Exists(path) || !int.TryParse(File.ReadLines(path).FirstOrDefault(), CultureInfo.InvariantCulture, out var pid))
        {
            return;
        }

        // A server works in its data directory. Asked through the process, so that links in our own path do not matter.
        var process = string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}");
        if (Directory.Exists(process) && !File.Exists(Path.Combine(process, "cwd", "PG_VERSION")))
        {
            File.Delete(path);
        }
    }
}
