using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Architecture;

/// <summary>The files this program was built from.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    /// <summary>Paths from the root of every file that is, or is about to be, committed.</summary>
    public static async Task<IReadOnlyList<string>> FilesAsync()
    {
        var listing = await ChildProcess.RunAsync(
            TestRun.Require("git"),
            // The checkout may belong to another user than the tests run as, which git refuses unless told.
            [
                "-c",
                $"safe.directory={Root}",
                "-c",
                "core.quotePath=false",
                "-C",
                Root,
                "ls-files",
                "--cached",
                "--others",
                "--exclude-standard",
            ],
            keepLines: int.MaxValue
        );
        // A file that was deleted but not yet committed is still listed.
        return [.. listing.Split('\n').Where(path => path.Length > 0 && File.Exists(Full(path))).Distinct().Order(StringComparer.Ordinal)];
    }

    public static string Full(string path) => Path.Combine(Root, path);

    public static string Read(string path) => File.ReadAllText(Full(path));

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "AiBackend.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("The tests must run from a checkout of the repository.");
    }
}
