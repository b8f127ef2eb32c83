using System.Globalization;

namespace AiBackend.LocalHost.Supervision;

internal sealed record LedgerEntry(ProcessIdentity Process, string Name);

/// <summary>
/// The file that lists every process this host started, so that the next start, or <c>run.sh stop</c>, finds what a killed host
/// left running. Each child writes its own line before it becomes the program it is meant to be, so there is no moment in which
/// a child exists and is not listed. Lines are <c>pid start-time name</c>; the first names the boot, since start times count from it.
/// </summary>
internal sealed class ChildLedger(string path)
{
    private const string BootIdFile = "/proc/sys/kernel/random/boot_id";

    /// <summary>Shell text run by the child: note myself, then become the program. <c>$0</c> is the name, <c>$1</c> the ledger.</summary>
    public const string RecordAndExec = """
        note() { read -r stat < /proc/$$/stat; set -- "$1" "$2" $stat; printf '%s %s %s\n' "$3" "${24}" "$2" >> "$1"; }
        note "$1" "$0"; shift; exec "$@"
        """;

    private static readonly TimeSpan PatienceWithLeftovers = TimeSpan.FromSeconds(5);

    public string Path { get; } = path;

    public void Begin()
    {
        var self = ProcessIdentity.Of(Environment.ProcessId) ?? throw new InvalidOperationException("/proc does not list this process.");
        var host = string.Create(CultureInfo.InvariantCulture, $"{self.Pid} {self.StartTime} host");
        File.WriteAllText(Path, $"boot {BootId()}\n{host}\n");
    }

    public void Clear() => File.Delete(Path);

    /// <summary>Ends what an earlier host left running. Call only while holding the state directory's lock.</summary>
    /// <returns>The names of the processes that were still there.</returns>
    public async Task<IReadOnlyList<string>> ReapAsync(CancellationToken cancellationToken)
    {
        var leftovers = FindLeftovers();
        foreach (var (process, name) in leftovers)
        {
            // For postgres this is the fast shutdown; the others take it as a request to end.
            Signals.Send(process.Pid, name.StartsWith("postgres", StringComparison.Ordinal) ? Signal.Interrupt : Signal.Terminate);
            Signals.Send(process.Pid, Signal.Continue);
        }

        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(PatienceWithLeftovers);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        try
        {
            while (leftovers.Any(l => l.Process.IsAlive))
            {
                await timer.WaitForNextTickAsync(patience.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            foreach (var leftover in FindLeftovers())
            {
                Signals.Send(leftover.Process.Pid, Signal.Kill);
            }
        }

        return [.. leftovers.Select(l => l.Name).Distinct()];
    }

    private List<LedgerEntry> FindLeftovers()
    {
        var recorded = ReadChildren();
        if (recorded.Count == 0)
        {
            return [];
        }

        var running = ProcessEntry.All().ToList();
        List<LedgerEntry> leftovers = [];
        foreach (var child in recorded)
        {
            var samePid = running.Find(p => p.Identity.Pid == child.Process.Pid);
            if (samePid is not null && samePid.Identity != child.Process)
            {
                continue;
            }

            // The kernel keeps a session's number from being reused while a member lives, so orphans of a dead child are told by it.
            var family = running.Where(p => p.Session == child.Process.Pid || p == samePid);
            leftovers.AddRange(family.Select(p => new LedgerEntry(p.Identity, child.Name)));
        }

        return leftovers;
    }

    private List<LedgerEntry> ReadChildren()
    {
        if (!File.Exists(Path))
        {
            return [];
        }

        var lines = File.ReadAllLines(Path);
        if (lines.FirstOrDefault() != $"boot {BootId()}")
        {
            return [];
        }

        var children =
            from line in lines.Skip(1)
            let fields = line.Split(' ', 3)
            where fields.Length == 3 && fields[2] != "host"
            let pid = int.Parse(fields[0], CultureInfo.InvariantCulture)
            let startTime = long.Parse(fields[1], CultureInfo.InvariantCulture)
            select new LedgerEntry(new(pid, startTime), fields[2]);
        return [.. children];
    }

    private static string BootId() => File.Exists(BootIdFile) ? File.ReadAllText(BootIdFile).Trim() : "unknown";
}
