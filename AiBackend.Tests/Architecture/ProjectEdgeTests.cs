using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Xml.Linq;

namespace AiBackend.Tests.Architecture;

/// <summary>Which project may know which. A new edge is a decision: add it here and say why in the commit.</summary>
public sealed class ProjectEdgeTests
{
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Api"] = ["Core", "ServiceDefaults"],
        ["ApiContracts"] = [],
        // Programs to start; through the local orchestrator also LocalHost (build/LocalAppHost.targets).
        ["AppHost"] = ["Api", "Simulator", "Web", "Worker"],
        // As the AppHost, and Core for the floor it measures against: the same provider call without a queue.
        ["Bench"] = ["Api", "ApiContracts", "Core", "Simulator", "Web", "Worker"],
        ["Core"] = ["ApiContracts"],
        ["LocalHost"] = [],
        ["ServiceDefaults"] = [],
        ["Simulator"] = ["ServiceDefaults"],
        ["Web"] = ["ApiContracts", "ServiceDefaults"],
        ["Worker"] = ["Core", "ServiceDefaults"],
    };

    public static TheoryData<string> Projects => [.. Allowed.Keys];

    [Fact]
    public void Every_project_has_its_edges_written_down()
    {
        var projects = Directory
            .EnumerateFiles(Repository.Root, "*.csproj", new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 1 })
            .Select(Name)
            .Where(project => project != "Tests");

        Assert.Equal(Allowed.Keys.Order(), projects.Order());
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_project_references_only_what_it_may_know(string project)
    {
        var references = ProjectFile(project).Descendants("ProjectReference").Select(edge => Name(edge.Attribute("Include")!.Value));

        var forbidden = references.Except(Allowed[project]);
        Findings.None($"AiBackend.{project} must not reference these projects.", forbidden);
    }

    [Theory]
    [InlineData("Core", "Microsoft.AspNetCore", "Aspire", "AiBackend.Api.", "AiBackend.Worker")]
    [InlineData("ApiContracts", "Microsoft.AspNetCore", "Microsoft.Extensions", "Aspire", "AiBackend.Core")]
    [InlineData("Api", "Aspire", "AiBackend.Worker", "AiBackend.Web")]
    [InlineData("Worker", "Aspire", "AiBackend.Api.", "AiBackend.Web")]
    [InlineData("Web", "Aspire", "Npgsql", "StackExchange", "AiBackend.Core", "AiBackend.Api.")]
    [InlineData("ServiceDefaults", "Aspire", "Npgsql", "AiBackend.")]
    public void A_compiled_project_uses_nothing_of(string project, params string[] forbidden)
    {
        using var file = new PEReader(File.OpenRead(Path.Combine(AppContext.BaseDirectory, $"AiBackend.{project}.dll")));
        var metadata = file.GetMetadataReader();

        var used = metadata
            .AssemblyReferences.Select(handle => metadata.GetString(metadata.GetAssemblyReference(handle).Name))
            // The dot keeps AiBackend.Api apart from AiBackend.ApiContracts.
            .Where(name => forbidden.Any(prefix => $"{name}.".StartsWith(prefix, StringComparison.Ordinal)));
        Findings.None($"AiBackend.{project} must not use these.", used);
    }

    [Fact]
    public void Core_is_a_library_without_a_web_framework()
    {
        var core = ProjectFile("Core");

        Assert.Equal("Microsoft.NET.Sdk", core.Attribute("Sdk")!.Value);
        Assert.Empty(core.Descendants("FrameworkReference"));
    }

    private static XElement ProjectFile(string project) =>
        XElement.Load(Repository.Full($"AiBackend.{project}/AiBackend.{project}.csproj"));

    private static string Name(string projectFile) => Path.GetFileNameWithoutExtension(projectFile)["AiBackend.".Length..];
}
