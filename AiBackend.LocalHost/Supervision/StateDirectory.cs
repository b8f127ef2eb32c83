using Aspire.Hosting;

namespace AiBackend.LocalHost.Supervision;

/// <summary>
/// Where everything that outlives a run is kept: the servers' data, generated passwords, logs, the list of children. One host at
/// a time owns it, by a lock the kernel drops when the owner dies however it dies.
/// </summary>
internal sealed class StateDirectory : IDisposable
{
    /// <summary>Marks a file that says where a server's data is, when it is not here.</summary>
    public const string LocationSuffix = ".location";

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    // Others may pass through to a directory they own inside (postgres does), but may not look around.
    private const UnixFileMode Passable = OwnerOnly | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    private readonly FileStream _lock;

    private StateDirectory(string path, FileStream @lock)
    {
        Path = path;
        _lock = @lock;
        Logs = Directory.CreateDirectory(Combine("logs"), OwnerOnly).FullName;
        Ledger = new(Combine("processes"));
    }

    public string Path { get; }

    public string Logs { get; }

    public ChildLedger Ledger { get; }

    public string StatusFile => Combine("status.json");

    public static StateDirectory Open(string path) =>
        TryOpen(path)
        ?? throw new DistributedApplicationException(
            $"The state directory {path} is in use by another running stack. Stop that one (./run.sh stop), or give this one a directory of its own: AIBACKEND_STATE_DIR=/some/where/else."
        );

    /// <summary>Null when another host owns the directory.</summary>
    public static StateDirectory? TryOpen(string path)
    {
        if (!Directory.Exists(path))
        {
            // Not only asked for at creation, where the umask takes bits away.
            File.SetUnixFileMode(Directory.CreateDirectory(path).FullName, Passable);
        }

        try
        {
            return new(
                path,
                new FileStream(System.IO.Path.Combine(path, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None)
            );
        }
        catch (IOException) when (File.Exists(System.IO.Path.Combine(path, "lock")))
        {
            return null;
        }
    }

    public string Combine(string name) => System.IO.Path.Combine(Path, name);

    public string CreatePrivateDirectory(string name) => Directory.CreateDirectory(Combine(name), OwnerOnly).FullName;

    public static void WritePrivateFile(string path, string text)
    {
        var draft = path + ".new";
        var options = new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        };
        using (var writer = new StreamWriter(draft, options))
        {
            writer.Write(text);
        }

        File.Move(draft, path, overwrite: true);
    }

    /// <summary>Removes everything, also what a server keeps elsewhere. The directory is of no use after this.</summary>
    public void Delete()
    {
        foreach (var pointer in Directory.GetFiles(Path, "*" + LocationSuffix))
        {
            var elsewhere = System.IO.Path.GetDirectoryName(File.ReadAllText(pointer).Trim())!;
            if (Directory.Exists(elsewhere))
            {
                Directory.Delete(elsewhere, recursive: true);
            }
        }

        Directory.Delete(Path, recursive: true);
    }

    public void Dispose() => _lock.Dispose();
}
