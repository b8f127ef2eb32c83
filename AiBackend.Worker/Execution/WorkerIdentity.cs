using System.Globalization;

namespace AiBackend.Worker.Execution;

/// <summary>Who this process is, in leases, heartbeats and the consumer group.</summary>
internal sealed class WorkerIdentity
{
    /// <summary>Unique for the process, not for the machine: a restarted worker is a new one.</summary>
    public Guid Id { get; init; } = Guid.CreateVersion7();

    public string Name { get; private init; } = ProcessName;

    /// <summary>Whether it reads the ready stream.</summary>
    public bool TakesReady { get; private init; } = true;

    public string Consumer => Id.ToString("N");

    private static string ProcessName => string.Create(CultureInfo.InvariantCulture, $"{Environment.MachineName}/{Environment.ProcessId}");

    /// <summary>A process that runs one suspect at a time, under the id its parent knows it by.</summary>
    public static WorkerIdentity InQuarantine(Guid id) =>
        new()
        {
            Id = id,
            Name = ProcessName + " quarantine",
            TakesReady = false,
        };
}
