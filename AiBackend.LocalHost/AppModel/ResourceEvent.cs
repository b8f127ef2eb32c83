namespace Aspire.Hosting.ApplicationModel;

public sealed record ResourceStateSnapshot(string Text);

/// <summary>What is known about one replica of a resource.</summary>
public sealed record CustomResourceSnapshot
{
    public ResourceStateSnapshot? State { get; init; }

    public int? ExitCode { get; init; }

    internal int? ProcessId { get; init; }

    internal int RestartCount { get; init; }

    /// <summary>Null while nothing was measured. A resource without a health check is healthy as long as it runs.</summary>
    internal bool? IsHealthy { get; init; }

    internal bool IsRunningAndHealthy => State?.Text == KnownResourceStates.Running && IsHealthy == true;
}

public sealed class ResourceEvent
{
    internal ResourceEvent(IResource resource, string resourceId, CustomResourceSnapshot snapshot)
    {
        Resource = resource;
        ResourceId = resourceId;
        Snapshot = snapshot;
    }

    public IResource Resource { get; }

    /// <summary>The resource's name, or name and number where there are several replicas.</summary>
    public string ResourceId { get; }

    public CustomResourceSnapshot Snapshot { get; }
}
