using Aspire.Hosting;

namespace AiBackend.LocalHost.Programs;

/// <summary>The build output of a project: beside its project file, in the configuration the AppHost was built in.</summary>
internal static class BuiltProgram
{
    public static string Find(string projectPath, string configuration)
    {
        var name = Path.GetFileNameWithoutExtension(projectPath);
        var output = Path.Combine(Path.GetDirectoryName(projectPath)!, "bin", configuration);
        var frameworks = Directory.Exists(output) ? Directory.GetDirectories(output, "net*") : [];
        return frameworks.Select(f => Path.Combine(f, name)).Where(File.Exists).OrderByDescending(File.GetLastWriteTimeUtc).FirstOrDefault()
            ?? throw new DistributedApplicationException(
                $"{name} is not built: there is no program in {output}. Build it: dotnet build {projectPath} -c {configuration}"
            );
    }

    /// <summary>Where the .NET this host runs on is installed, so that its children find the same without a search.</summary>
    public static string DotnetRoot() =>
        Path.GetFullPath("../../..", System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory());
}
