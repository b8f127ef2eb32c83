using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Tools;

namespace AiBackend.Core.Jobs;

/// <summary>Event payloads as UTF-8 JSON, as stored and as sent.</summary>
public static class JobEventPayload
{
    /// <summary>Stored in place of a final event's payload, which is rendered when read.</summary>
    public static readonly byte[] Final = "{}"u8.ToArray();

    /// <summary>Payload of <see cref="JobEventKind.State"/>.</summary>
    public static byte[] Of(StateEvent payload) => JsonSerializer.SerializeToUtf8Bytes(payload, WireJson.Default.StateEvent);

    /// <summary>Payload of <see cref="JobEventKind.Delta"/>.</summary>
    public static byte[] Of(DeltaEvent payload) => JsonSerializer.SerializeToUtf8Bytes(payload, WireJson.Default.DeltaEvent);

    /// <summary>Payload of <see cref="JobEventKind.Snapshot"/>.</summary>
    public static byte[] Of(SnapshotEvent payload) => JsonSerializer.SerializeToUtf8Bytes(payload, WireJson.Default.SnapshotEvent);

    /// <summary>Payload of <see cref="JobEventKind.Reset"/>.</summary>
    public static byte[] Of(ResetEvent payload) => JsonSerializer.SerializeToUtf8Bytes(payload, WireJson.Default.ResetEvent);

    /// <summary>Payload of <see cref="JobEventKind.Continued"/>.</summary>
    public static byte[] Of(ContinuedEvent payload) => JsonSerializer.SerializeToUtf8Bytes(payload, WireJson.Default.ContinuedEvent);

    /// <summary>Payload of <see cref="JobEventKind.ToolCall"/>.</summary>
    public static byte[] Of(ToolCallEvent payload) => JsonSerializer.SerializeToUtf8Bytes(payload, WireJson.Default.ToolCallEvent);

    /// <summary>Payload of <see cref="JobEventKind.ToolResult"/>.</summary>
    public static byte[] Of(ToolResultEvent payload) => JsonSerializer.SerializeToUtf8Bytes(payload, WireJson.Default.ToolResultEvent);

    /// <summary>Payload of <see cref="JobEventKind.Usage"/>.</summary>
    public static byte[] Of(UsageEvent payload) => JsonSerializer.SerializeToUtf8Bytes(payload, WireJson.Default.UsageEvent);

    /// <summary>Payload of <see cref="JobEventKind.Notice"/>.</summary>
    public static byte[] Of(NoticeEvent payload) => JsonSerializer.SerializeToUtf8Bytes(payload, WireJson.Default.NoticeEvent);
}
