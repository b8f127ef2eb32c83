using System.Diagnostics;
using System.Globalization;

namespace AiBackend.Tests.Fixtures;

/// <summary>A folder of this run below the system's temporary one. Leftovers of killed runs are removed by the next.</summary>
internal static class TestFolder
{
    private const string Prefix = "aibackend-test-";

    static TestFolder()
    {
        foreach (var left in Directory.EnumerateDirectories(Path.GetTempPath(), Prefix + "*"))
        {
            var owner = Path.GetFileName(left)[Prefix.Length..].Split('-')[0];
            if (int.TryParse(owner, CultureInfo.InvariantCulture, out var id) && !IsRunning(id))
            {
                Remove(left);
            }
        }
    }

    public static string Create(string purpose) =>
        Directory
            .CreateTempSubdirectory(string.Create(CultureInfo.InvariantCulture, $"{Prefix}{Environment.ProcessId}-{purpose}-"))
            .FullName;

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
