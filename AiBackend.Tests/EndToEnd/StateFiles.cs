using System.Text;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.EndToEnd;

/// <summary>Logs, what the host writes, and all that Redis keeps; not the tables of Postgres, nor what is not whole yet and is renamed then.</summary>
internal static class StateFiles
{
    /// <returns>Each file with what it holds.</returns>
    public static async Task<IReadOnlyList<(string File, string Text)>> ReadAsync(string directory)
    {
        for (var reading = 1; reading <= 10; reading++)
        {
            if (await TryReadAsync(directory) is { } all)
            {
                return all;
            }
        }

        Assert.Fail("Files are gone whenever they are read.");
        return [];
    }

    /// <returns>Null when one was renamed or removed since they were listed: under its new name it was not read.</returns>
    private static async Task<IReadOnlyList<(string File, string Text)>?> TryReadAsync(string directory)
    {
        var all = new List<(string File, string Text)>();
        try
        {
            foreach (var file in Directory.GetFiles(directory, "*", SearchOption.AllDirectories).Where(IsOutsideTheStore))
            {
                await using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
                using var reader = new StreamReader(stream, Encoding.Latin1);
                all.Add((file, await reader.ReadToEndAsync(TestRun.Cancel)));
            }
        }
        catch (FileNotFoundException)
        {
            return null;
        }

        return all;
    }

    private static bool IsOutsideTheStore(string file) =>
        Path.GetFileName(file) != "lock"
        && Path.GetExtension(file) != ".new"
        && !file.Contains($"{Path.DirectorySeparatorChar}postgres{Path.DirectorySeparatorChar}", StringComparison.Ordinal);
}
