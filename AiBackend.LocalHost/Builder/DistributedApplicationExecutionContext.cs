namespace Aspire.Hosting;

/// <summary>Whether the application runs or is being published. This host only runs; publishing needs the Aspire packages.</summary>
public sealed class DistributedApplicationExecutionContext
{
    public bool IsPublishMode => false;

    public bool IsRunMode => !IsPublishMode;
}
