using System.Diagnostics;
using System.Globalization;

namespace AiBackend.Tests.Fixtures;

/// <summary>A folder of this run below the system's temporary one, or in memory. Leftovers of killed runs are removed by the next.</summary>
internal static class TestFolder
{
    private const string Prefix = "aibackend-test-";
    private const string Memory = "/dev/shm";

    // What a server and a dozen databases take, several times.
    private const long EnoughMemory = 2L << 30;

    static TestFolder()
    {
        string[] roots = Directory.Exists(Memory) ? [Path.GetTempPath(), Memory] : [Path.GetTempPath()];
        foreach (var left in roots.SelectMany(root => Directory.EnumerateDirectories(root, Prefix + "*")))
        {
            var owner = Path.GetFileName(left)[Prefix.Length..].Split('-')[0];
            if (int.TryParse(owner, CultureInfo.InvariantCulture, out var id) && !IsRunning(id))
            {
                Remove(left);
            }
        }
    }

    public static string Create(string purpose) => Directory.CreateTempSubdirectory(NameOf(purpose)).FullName;

    /// <summary>For many small files that nobody needs later: in memory where there is enough, since a disk's file system takes longer to make them.</summary>
    public static string CreateInMemory(string purpose)
    {
        if (!Directory.Exists(Memory) || new DriveInfo(Memory).AvailableFreeSpace < EnoughMemory)
        {
            return Create(purpose);
        }

        var path = Path.Combine(Memory, NameOf(purpose) + Guid.CreateVersion7().ToString("N"));
        return Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;
    }

    public static void Remove(string folder)
    {
        try
        {
            Directory.Delete(folder, recursive: true);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // Another user's, or still being written by a dying server: the next run tries again.
        }
    }

    private static string NameOf(string purpose) =>
        string.Create(CultureInfo.InvariantCulture, $"{Prefix}{Environment.ProcessId}-{purpose}-");

    private static bool IsRunning(int processId)
    {
        try
        {
            using var process = Process.GetProcessById(processId);
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
