namespace Aspire.Hosting.ApplicationModel;

/// <summary>Given to environment callbacks when a process is about to start. Values are strings or <see cref="IValueProvider"/>s.</summary>
public sealed class EnvironmentCallbackContext
{
    internal EnvironmentCallbackContext(
        DistributedApplicationExecutionContext executionContext,
        Dictionary<string, object> environmentVariables
    )
    {
        ExecutionContext = executionContext;
        EnvironmentVariables = environmentVariables;
    }

    public DistributedApplicationExecutionContext ExecutionContext { get; }

    public Dictionary<string, object> EnvironmentVariables { get; }
}
