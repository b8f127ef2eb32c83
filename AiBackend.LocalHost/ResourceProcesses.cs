using AiBackend.LocalHost.Supervision;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.DependencyInjection;

namespace AiBackend.LocalHost;

/// <summary>One process of a resource, as it was when asked.</summary>
/// <param name="ReplicaId">The resource's name, with a number (from 1) where there are several.</param>
/// <param name="ProcessId">Null while it is down.</param>
public sealed record ResourceProcess(string ReplicaId, int? ProcessId, string State, int RestartCount);

/// <summary>
/// What crash tests need and Aspire's API does not have: the pids behind a resource, and the means to kill, freeze and restart them.
/// Replicas are numbered from 0. Deaths caused here do not count against the restarts a minute allows.
/// </summary>
public sealed class ResourceProcesses
{
    private readonly Supervisor _supervisor;
    private readonly ResourceNotificationService _notifications;

    internal ResourceProcesses(Supervisor supervisor, ResourceNotificationService notifications)
    {
        _supervisor = supervisor;
        _notifications = notifications;
    }

    public IReadOnlyList<ResourceProcess> Of(string resourceName) => [.. _supervisor.ReplicasOf(resourceName).Select(Describe)];

    /// <summary>Kills the process as by <c>kill -9</c>. The host starts it again.</summary>
    /// <returns>The pid that was killed.</returns>
    public int Kill(string resourceName, int replica = 0) => Send(resourceName, Signal.Kill, replica);

    /// <summary>Stops the process from running at all, as by <c>kill -STOP</c>, until <see cref="Thaw"/>.</summary>
    public int Freeze(string resourceName, int replica = 0) => Send(resourceName, Signal.Stop, replica);

    public int Thaw(string resourceName, int replica = 0) => Send(resourceName, Signal.Continue, replica);

    public int Send(string resourceName, Signal signal, int replica = 0) => _supervisor.ReplicasOf(resourceName)[replica].Send(signal);

    /// <summary>
    /// Gives a process one more variable from its next start on; null takes it away again. A death of a process that was started
    /// with such a variable is taken to be what it was given for, and does not count against the restarts a minute allows.
    /// </summary>
    public void SetVariable(string resourceName, string variable, string? value, int replica = 0) =>
        _supervisor.ReplicasOf(resourceName)[replica].SetVariable(variable, value);

    /// <summary>Waits until another process than <paramref name="previousProcessId"/> stands in its place, running and healthy.</summary>
    /// <returns>The new pid.</returns>
    public async Task<int> WaitForRestartAsync(
        string resourceName,
        int previousProcessId,
        int replica = 0,
        CancellationToken cancellationToken = default
    )
    {
        var id = _supervisor.ReplicasOf(resourceName)[replica].Id;
        var replicas = await _notifications.WaitAsync(resourceName, r => r.Any(IsBack), cancellationToken);
        return replicas.First(IsBack).Snapshot.ProcessId!.Value;

        bool IsBack(ResourceEvent e) =>
            e.ResourceId == id && e.Snapshot is { IsRunningAndHealthy: true, ProcessId: { } current } && current != previousProcessId;
    }

    /// <summary>Ends every process of the resource in an orderly way and keeps it down until <see cref="StartAsync"/>.</summary>
    public Task StopAsync(string resourceName, CancellationToken cancellationToken = default) =>
        Task.WhenAll(_supervisor.ReplicasOf(resourceName).Select(r => r.HoldDownAsync(cancellationToken)));

    /// <summary>Starts what <see cref="StopAsync"/> ended, and waits until it is healthy.</summary>
    public async Task StartAsync(string resourceName, CancellationToken cancellationToken = default)
    {
        foreach (var replica in _supervisor.ReplicasOf(resourceName))
        {
            replica.Release();
        }

        await _notifications.WaitAsync(resourceName, r => r.All(e => e.Snapshot.IsRunningAndHealthy), cancellationToken);
    }

    public async Task RestartAsync(string resourceName, CancellationToken cancellationToken = default)
    {
        await StopAsync(resourceName, cancellationToken);
        await StartAsync(resourceName, cancellationToken);
    }

    /// <summary>What the process said last, from its log file.</summary>
    public IReadOnlyList<string> LastLines(string replicaId, int count = 50) => _supervisor.Output?.LastLines(replicaId, count) ?? [];

    private ResourceProcess Describe(Replica replica)
    {
        var snapshot = _notifications.Current.First(e => e.ResourceId == replica.Id).Snapshot;
        return new(replica.Id, snapshot.ProcessId, snapshot.State?.Text ?? "", snapshot.RestartCount);
    }
}

public static class ResourceProcessesExtensions
{
    /// <summary>The processes behind the resources: this host's own addition to Aspire's API.</summary>
    public static ResourceProcesses Processes(this DistributedApplication app) => app.Services.GetRequiredService<ResourceProcesses>();
}
