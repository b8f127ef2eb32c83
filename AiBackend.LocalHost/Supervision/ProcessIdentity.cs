using System.Globalization;

namespace AiBackend.LocalHost.Supervision;

/// <summary>A pid alone is reused; with the tick the process started at, it names one process of this boot.</summary>
internal readonly record struct ProcessIdentity(int Pid, long StartTime)
{
    /// <summary>Null when there is no such process, or only the remains of one that nobody has waited for.</summary>
    public static ProcessIdentity? Of(int pid) => ProcessEntry.Read(pid) is { IsZombie: false } entry ? entry.Identity : null;

    public bool IsAlive => Of(Pid) == this;
}

/// <summary>The part of <c>/proc/{pid}/stat</c> (see proc(5)) that tells processes and sessions apart.</summary>
internal sealed record ProcessEntry(ProcessIdentity Identity, bool IsZombie, int Session)
{
    public static ProcessEntry? Read(int pid)
    {
        try
        {
            var stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/stat"));

            // The second field is the program's name in brackets and may itself hold blanks and brackets.
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            var startTime = long.Parse(fields[19], CultureInfo.InvariantCulture);
            return new(new(pid, startTime), fields[0] is "Z" or "X", int.Parse(fields[3], CultureInfo.InvariantCulture));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    public static IEnumerable<ProcessEntry> All() =>
        from directory in Directory.EnumerateDirectories("/proc")
        where int.TryParse(Path.GetFileName(directory), NumberStyles.None, CultureInfo.InvariantCulture, out _)
        let entry = Read(int.Parse(Path.GetFileName(directory), CultureInfo.InvariantCulture))
        where entry is { IsZombie: false }
        select entry;
}
