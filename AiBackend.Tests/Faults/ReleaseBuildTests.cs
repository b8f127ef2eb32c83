using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using AiBackend.Tests.Architecture;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Faults;

/// <summary>What is shipped cannot be told to die.</summary>
public sealed class ReleaseBuildTests
{
    [Fact]
    [Trait("Category", "Long")]
    public async Task A_release_build_has_neither_the_fault_points_code_nor_a_call_of_it()
    {
        var folder = TestFolder.Create("release");

        await ChildProcess.RunAsync(
            TestRun.Require("dotnet", "/usr/share/dotnet", "/usr/lib/dotnet"),
            [
                "build",
                Repository.Full("AiBackend.Worker"),
                "-c",
                "Release",
                "-o",
                folder,
                "--nologo",
                "-p:RunAnalyzers=false",
                "-p:UseSharedCompilation=false",
                "-p:UseAspire=false",
            ]
        );

        Assert.DoesNotContain(Strings(folder, "Core"), text => text.Contains("AIBACKEND_FAULT", StringComparison.Ordinal));
        Assert.DoesNotContain(Types(folder, "Core"), name => name is "FaultPlan" or "FaultEntry");
        Assert.DoesNotContain(References(folder, "Worker"), name => name is "FaultPoints" or "FaultsRegistration");
        // The same questions about this build are answered otherwise, so they can fail.
        Assert.Contains(Strings(AppContext.BaseDirectory, "Core"), text => text.Contains("AIBACKEND_FAULT", StringComparison.Ordinal));
        Assert.Contains("FaultPlan", Types(AppContext.BaseDirectory, "Core"));
        Assert.Contains("FaultPoints", References(AppContext.BaseDirectory, "Worker"));
        TestFolder.Remove(folder);
    }

    private static List<string> Strings(string folder, string project) =>
        Read(
            folder,
            project,
            metadata =>
            {
                var texts = new List<string>();
                var handle = MetadataTokens.UserStringHandle(1);
                while (!handle.IsNil && metadata.GetHeapOffset(handle) < metadata.GetHeapSize(HeapIndex.UserString))
                {
                    texts.Add(metadata.GetUserString(handle));
                    handle = metadata.GetNextHandle(handle);
                }

                return texts;
            }
        );

    private static List<string> Types(string folder, string project) =>
        Read(
            folder,
            project,
            metadata => metadata.TypeDefinitions.Select(type => metadata.GetString(metadata.GetTypeDefinition(type).Name))
        );

    private static List<string> References(string folder, string project) =>
        Read(folder, project, metadata => metadata.TypeReferences.Select(type => metadata.GetString(metadata.GetTypeReference(type).Name)));

    private static List<string> Read(string folder, string project, Func<MetadataReader, IEnumerable<string>> names)
    {
        using var file = new PEReader(File.OpenRead(Path.Combine(folder, $"AiBackend.{project}.dll")));
        return [.. names(file.GetMetadataReader())];
    }
}
