using System.Globalization;
using System.Text.RegularExpressions;
using AiBackend.Tests.Architecture;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Guards;

/// <summary>A copy of the source in which each guard can be taken out by a variable, built once. Nothing of it is ever in what is shipped.</summary>
internal sealed partial class Mutants : IDisposable
{
    private const string Variable = "AIBACKEND_WITHOUT_GUARD";

    // Tests have deadlines of their own; this is for one that would hang.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly string _folder = TestFolder.Create("mutants");

    /// <summary>The source of a file with every guard of it behind the variable.</summary>
    /// <param name="source">As it is in the repository.</param>
    /// <param name="guards">All of that file, with their numbers.</param>
    public static string Apply(string source, IEnumerable<(Guard Guard, int Number)> guards)
    {
        // From the end, so that what stands before keeps its place.
        foreach (
            var place in guards
                .GroupBy(each =>
                    each.Guard.Find(source) ?? throw new InvalidOperationException($"Not there, or not once: {each.Guard.Name}")
                )
                .OrderByDescending(place => place.Key.Start)
        )
        {
            var (start, length) = place.Key;
            var guard = source.Substring(start, length);
            // Several at one place are several ways to do without it.
            var mutated = place.Aggregate(guard, (rest, each) => Switch(each.Guard, each.Number, rest));
            source = source[..start] + mutated + source[(start + length)..];
        }

        return source;
    }

    public async Task BuildAsync(IReadOnlyList<Guard> guards)
    {
        var numbered = guards.Select((guard, number) => (guard, number)).ToLookup(each => each.guard.File, StringComparer.Ordinal);
        foreach (var path in await Repository.FilesAsync())
        {
            var copy = Path.Combine(_folder, path);
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            if (numbered.Contains(path))
            {
                await File.WriteAllTextAsync(copy, Apply(Repository.Read(path), numbered[path]), TestRun.Cancel);
            }
            else
            {
                File.Copy(Repository.Full(path), copy);
            }
        }

        var tests = Path.Combine(_folder, "AiBackend.Tests");
        await ChildProcess.RunAsync(Dotnet, ["restore", tests, "--locked-mode", "-v", "quiet", "-p:UseAspire=false"]);
        await ChildProcess.RunAsync(
            Dotnet,
            [
                "build",
                tests,
                "--no-restore",
                "--nologo",
                "-v",
                "quiet",
                "-nodeReuse:false",
                "-p:UseAspire=false",
                // What is taken out leaves things unused.
                "-p:RunAnalyzers=false",
                "-p:TreatWarningsAsErrors=false",
                "-p:GenerateDocumentationFile=false",
                "-p:UseSharedCompilation=false",
                "-p:Configuration=Debug",
            ]
        );
    }

    /// <summary>Runs tests without one of the guards, or with all of them.</summary>
    /// <returns>How many ran and how many of them failed, and what they said; null when they came to no end.</returns>
    public async Task<(int Total, int Failed, string Output)?> RunAsync(IEnumerable<string> tests, int? without)
    {
        using var process = await ChildProcess.StartAsync(
            Dotnet,
            [
                Path.Combine(_folder, "AiBackend.Tests/bin/local/Debug/net10.0/AiBackend.Tests.dll"),
                "-noColor",
                "-noLogo",
                .. without is null ? [] : (string[])["-stopOnFail"],
                .. tests.SelectMany(test => (string[])["-method", $"*.{test}"]),
            ],
            environment: [new(Variable, without?.ToString(CultureInfo.InvariantCulture))]
        );
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        patience.CancelAfter(without is null ? 4 * Patience : Patience);
        try
        {
            await process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException) when (!TestRun.Cancel.IsCancellationRequested)
        {
            return null;
        }

        return Summary().Match(process.Output) is { Success: true } summary
            ? (Count(summary, "total"), Count(summary, "failed") + Count(summary, "errors"), process.Output)
            : (0, 0, process.Output);
    }

    public void Dispose() => TestFolder.Remove(_folder);

    private static string Dotnet => TestRun.Require("dotnet", "/usr/share/dotnet", "/usr/lib/dotnet");

    private static string Switch(Guard guard, int number, string otherwise)
    {
        var isOut = $"global::System.Environment.GetEnvironmentVariable(\"{Variable}\") == \"{number}\"";
        return guard.Call.EndsWith(';')
            ? $"if ({isOut}) {{ {guard.Without} }} else {{ {otherwise} }}"
            : $"({isOut} ? ({guard.Without}) : ({otherwise}))";
    }

    private static int Count(Match summary, string name) => int.Parse(summary.Groups[name].Value, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"Total: (?<total>\d+), Errors: (?<errors>\d+), Failed: (?<failed>\d+)", RegexOptions.ExplicitCapture)]
    private static partial Regex Summary();
}
