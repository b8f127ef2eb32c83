using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Core.Jobs;

/// <summary>Kinds of events. The numbers are stored; never renumber.</summary>
public enum JobEventKind : short
{
    /// <summary>Payload <see cref="StateEvent"/>.</summary>
    State = 1,

    /// <summary>Payload <see cref="DeltaEvent"/>.</summary>
    Delta = 2,

    /// <summary>Payload <see cref="SnapshotEvent"/>.</summary>
    Snapshot = 3,

    /// <summary>Payload <see cref="ResetEvent"/>.</summary>
    Reset = 4,

    /// <summary>Payload <see cref="UsageEvent"/>.</summary>
    Usage = 5,

    /// <summary>Payload <see cref="NoticeEvent"/>.</summary>
    Notice = 6,

    /// <summary>Payload <see cref="FinalEvent"/>, rendered when read: the job can no longer change, so it is stored once only.</summary>
    Final = 7,

    /// <summary>Payload <see cref="ContinuedEvent"/>.</summary>
    Continued = 8,

    /// <summary>Payload <see cref="ToolCallEvent"/>.</summary>
    ToolCall = 9,

    /// <summary>Payload <see cref="AiBackend.ApiContracts.Tools.ToolResultEvent"/>.</summary>
    ToolResult = 10,
}

/// <summary>One committed entry of a job's event log.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Seq">Gapless number from 1.</param>
/// <param name="Kind">What happened.</param>
/// <param name="Data">Payload as UTF-8 JSON.</param>
public readonly record struct JobEventRecord(Guid JobId, int Seq, JobEventKind Kind, ReadOnlyMemory<byte> Data);

/// <summary>Names of <see cref="JobEventKind"/> on the wire.</summary>
public static class JobEventKindNames
{
    /// <summary>The wire name of a kind; a kind of a newer version reads as <c>unknown</c>.</summary>
    public static string ToWire(this JobEventKind kind) =>
        kind switch
        {
            JobEventKind.State => JobEventTypes.State,
            JobEventKind.Delta => JobEventTypes.Delta,
            JobEventKind.Snapshot => JobEventTypes.Snapshot,
            JobEventKind.Reset => JobEventTypes.Reset,
            JobEventKind.Usage => JobEventTypes.Usage,
            JobEventKind.Notice => JobEventTypes.Notice,
            JobEventKind.Final => JobEventTypes.Final,
            JobEventKind.Continued => JobEventTypes.Continued,
            JobEventKind.ToolCall => JobEventTypes.ToolCall,
            JobEventKind.ToolResult => JobEventTypes.ToolResult,
            _ => "unknown",
        };
}
