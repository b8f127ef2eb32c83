namespace Aspire.Hosting.ApplicationModel;

/// <summary>One of the solution's own programs, started from its build output.</summary>
public sealed class ProjectResource
    : Resource,
        IResourceWithEnvironment,
        IResourceWithArgs,
        IResourceWithServiceDiscovery,
        IResourceWithWaitSupport
{
    internal ProjectResource(string name, IProjectMetadata metadata)
        : base(name) => Metadata = metadata;

    internal IProjectMetadata Metadata { get; }
}

/// <summary>Any other program.</summary>
public sealed class ExecutableResource(string name, string command, string workingDirectory)
    : Resource(name),
        IResourceWithEnvironment,
        IResourceWithArgs,
        IResourceWithEndpoints,
        IResourceWithWaitSupport
{
    public string Command { get; } = command;

    public string WorkingDirectory { get; } = workingDirectory;
}
