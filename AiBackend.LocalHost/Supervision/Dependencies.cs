using System.Globalization;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;

namespace AiBackend.LocalHost.Supervision;

/// <summary>The order of starting and, backwards, of stopping: what waits for what.</summary>
internal static class Dependencies
{
    public static Task WaitAsync(IResource resource, ResourceNotificationService notifications, CancellationToken cancellationToken) =>
        Task.WhenAll(resource.Waits().Select(wait => WaitForOneAsync(resource, wait, notifications, cancellationToken)));

    /// <summary>The resources with a process that <paramref name="resource"/> needs; a child stands for its parent.</summary>
    public static IEnumerable<IResource> Of(IResource resource) =>
        resource.Waits().Select(w => w.Resource is IResourceWithParent child ? child.Parent : w.Resource);

    private static async Task WaitForOneAsync(
        IResource resource,
        WaitAnnotation wait,
        ResourceNotificationService notifications,
        CancellationToken cancellationToken
    )
    {
        var name = wait.Resource.Name;
        var stopsOnFailure = wait.Behavior == WaitBehavior.StopOnResourceUnavailable;
        var replicas = await notifications.WaitAsync(name, r => r.All(IsDone) || (stopsOnFailure && r.Any(HasFailed)), cancellationToken);
        if (stopsOnFailure && replicas.FirstOrDefault(HasFailed) is { } failed)
        {
            var code = failed.Snapshot.ExitCode is { } exitCode ? $" with exit code {exitCode.ToString(CultureInfo.InvariantCulture)}" : "";
            throw new DistributedApplicationException(
                $"{resource.Name} needs {name}, which is {failed.Snapshot.State?.Text}{code}. Its own lines say why."
            );
        }

        bool IsDone(ResourceEvent replica) =>
            wait.WaitType == WaitType.ForCompletion
                ? replica.Snapshot.State?.Text == KnownResourceStates.Finished && replica.Snapshot.ExitCode == wait.ExitCode
                : replica.Snapshot.IsRunningAndHealthy;

        bool HasFailed(ResourceEvent replica) => ResourceNotificationService.HasEnded(replica) && !IsDone(replica);
    }
}
