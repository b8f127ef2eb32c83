using AiBackend.Tests.Architecture;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Upgrade;

/// <summary>The programs of the version before, built from the repository's own history.</summary>
internal sealed class PreviousVersion : IAsyncDisposable
{
    /// <summary>
    /// The commit of the last release; until there is one, the state before jobs were partitioned. At a release, set it to the commit of
    /// the release before the new one: from then on what only older versions used may go from the schema.
    /// </summary>
    private const string Commit = "fb600b0b9674339a912d77a8a6c32480edac6d96";

    private readonly string _folder = TestFolder.Create("previous");

    private string Tree => Path.Combine(_folder, "tree");

    /// <summary>Skips the test where the history is not there, as in a shallow clone.</summary>
    public static async Task<PreviousVersion> BuildAsync()
    {
        var git = TestRun.Require("git");
        var known = true;
        try
        {
            await ChildProcess.RunAsync(git, ["-C", Repository.Full("."), "cat-file", "-e", Commit + "^{commit}"]);
        }
        catch (InvalidOperationException)
        {
            known = false;
        }

        Assert.SkipUnless(known, $"Commit {Commit} is not in this clone; fetch the whole history: git fetch --unshallow.");
        var version = new PreviousVersion();
        await ChildProcess.RunAsync(git, ["-C", Repository.Full("."), "worktree", "add", "--detach", version.Tree, Commit]);
        foreach (var project in new[] { "AiBackend.Api", "AiBackend.Worker" })
        {
            await ChildProcess.RunAsync(
                TestRun.Require("dotnet"),
                [
                    "build",
                    Path.Combine(version.Tree, project),
                    "-v",
                    "quiet",
                    "--nologo",
                    "-p:UseSharedCompilation=false",
                    "-nodeReuse:false",
                ]
            );
        }

        return version;
    }

    public string Program(string project) => Path.Combine(Tree, project, "bin", "Debug", "net10.0", project + ".dll");

    public async ValueTask DisposeAsync()
    {
        await ChildProcess.RunAsync(TestRun.Require("git"), ["-C", Repository.Full("."), "worktree", "remove", "--force", Tree]);
        TestFolder.Remove(_folder);
    }
}
