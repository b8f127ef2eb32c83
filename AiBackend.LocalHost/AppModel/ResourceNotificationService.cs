using System.Globalization;

namespace Aspire.Hosting.ApplicationModel;

/// <summary>The state of every replica, and the means to wait for a state.</summary>
public sealed class ResourceNotificationService
{
    private readonly Lock _lock = new();
    private readonly List<ResourceEvent> _current = [];
    private TaskCompletionSource _changed = NewSignal();

    internal ResourceNotificationService() { }

    /// <summary>Raised after every change, outside the lock.</summary>
    internal event Action? Changed;

    internal IReadOnlyList<ResourceEvent> Current
    {
        get
        {
            lock (_lock)
            {
                return [.. _current];
            }
        }
    }

    /// <summary>Waits until every replica of the resource is in <paramref name="targetState"/> (default: running).</summary>
    public Task WaitForResourceAsync(string resourceName, string? targetState = null, CancellationToken cancellationToken = default)
    {
        var wanted = targetState ?? KnownResourceStates.Running;
        return WaitAsync(resourceName, replicas => replicas.All(r => r.Snapshot.State?.Text == wanted), cancellationToken);
    }

    /// <summary>Waits until every replica runs and is healthy. Throws when one can no longer become so.</summary>
    public async Task<ResourceEvent> WaitForResourceHealthyAsync(string resourceName, CancellationToken cancellationToken = default)
    {
        var replicas = await WaitAsync(
            resourceName,
            replicas => replicas.All(r => r.Snapshot.IsRunningAndHealthy) || replicas.Any(HasEnded),
            cancellationToken
        );

        return replicas.FirstOrDefault(HasEnded) is { } ended
            ? throw new DistributedApplicationException(
                $"Resource '{resourceName}' will not become healthy: {ended.ResourceId} is {ended.Snapshot.State?.Text}"
                    + (ended.Snapshot.ExitCode is { } code ? $" with exit code {code.ToString(CultureInfo.InvariantCulture)}." : ".")
            )
            : replicas[0];
    }

    internal static bool HasEnded(ResourceEvent replica) =>
        replica.Snapshot.State?.Text is { } state && KnownResourceStates.TerminalStates.Contains(state);

    internal void Declare(IResource resource, string resourceId)
    {
        lock (_lock)
        {
            _current.Add(new(resource, resourceId, new() { State = new(KnownResourceStates.NotStarted) }));
        }
    }

    internal void Publish(string resourceId, Func<CustomResourceSnapshot, CustomResourceSnapshot> change)
    {
        TaskCompletionSource signal;
        lock (_lock)
        {
            var index = _current.FindIndex(e => e.ResourceId == resourceId);
            var previous = _current[index];
            var next = change(previous.Snapshot);
            if (next == previous.Snapshot)
            {
                return;
            }

            _current[index] = new(previous.Resource, resourceId, next);
            signal = _changed;
            _changed = NewSignal();
        }

        signal.SetResult();
        Changed?.Invoke();
    }

    internal async Task<IReadOnlyList<ResourceEvent>> WaitAsync(
        string resourceName,
        Func<IReadOnlyList<ResourceEvent>, bool> condition,
        CancellationToken cancellationToken
    )
    {
        while (true)
        {
            Task changed;
            List<ResourceEvent> replicas;
            lock (_lock)
            {
                changed = _changed.Task;
                replicas = _current.FindAll(e => e.Resource.Name.Equals(resourceName, StringComparison.OrdinalIgnoreCase));
            }

            if (replicas.Count == 0)
            {
                throw new ArgumentException($"There is no resource named '{resourceName}' that runs.", nameof(resourceName));
            }

            if (condition(replicas))
            {
                return replicas;
            }

            await changed.WaitAsync(cancellationToken);
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
