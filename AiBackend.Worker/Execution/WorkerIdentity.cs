using System.Globalization;

namespace AiBackend.Worker.Execution;

/// <summary>Who this process is, in leases, heartbeats and the consumer group.</summary>
internal sealed class WorkerIdentity
{
    /// <summary>Unique for the process, not for the machine: a restarted worker is a new one.</summary>
    public Guid Id { get; init; } = Guid.CreateVersion7();

    public string Name { get; } = string.Create(CultureInfo.InvariantCulture, $"{Environment.MachineName}/{Environment.ProcessId}");

    public string Consumer => Id.ToString("N");
}
