namespace Aspire.Hosting.ApplicationModel;

/// <summary>What a resource that is waited for must not do: with <see cref="StopOnResourceUnavailable"/> its failure fails the waiter.</summary>
public enum WaitBehavior
{
    WaitOnResourceUnavailable = 0,
    StopOnResourceUnavailable = 1,
}

internal enum WaitType
{
    UntilHealthy,
    ForCompletion,
}

internal sealed record WaitAnnotation(IResource Resource, WaitType WaitType, WaitBehavior Behavior, int ExitCode = 0) : IResourceAnnotation;

internal sealed record ReplicaAnnotation(int Replicas) : IResourceAnnotation;

internal sealed record ArgumentsAnnotation(IReadOnlyList<string> Arguments) : IResourceAnnotation;

internal sealed record EnvironmentCallbackAnnotation(Action<EnvironmentCallbackContext> Callback) : IResourceAnnotation;

internal sealed record HttpHealthCheckAnnotation(string Path, int StatusCode, string? EndpointName) : IResourceAnnotation;

internal static class AnnotationExtensions
{
    public static int ReplicaCount(this IResource resource) =>
        resource.Annotations.OfType<ReplicaAnnotation>().LastOrDefault()?.Replicas ?? 1;

    public static IEnumerable<WaitAnnotation> Waits(this IResource resource) => resource.Annotations.OfType<WaitAnnotation>();

    public static IEnumerable<EndpointAnnotation> Endpoints(this IResource resource) => resource.Annotations.OfType<EndpointAnnotation>();
}
