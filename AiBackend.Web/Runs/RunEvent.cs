using System.Text.Json;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Web.Api;

namespace AiBackend.Web.Runs;

/// <summary>One entry of a job's event log with its payload read.</summary>
/// <param name="Seq">Gapless number from 1.</param>
/// <param name="Payload">One of the wire records; null for a type this build does not know, which still counts as read.</param>
internal sealed record RunEvent(int Seq, object? Payload)
{
    public static RunEvent From(JobEvent entry)
    {
        var wire = ClientJson.Lenient;
        object? payload = entry.Event switch
        {
            JobEventTypes.State => entry.Data.Deserialize(wire.StateEvent),
            JobEventTypes.Delta => entry.Data.Deserialize(wire.DeltaEvent),
            JobEventTypes.Snapshot => entry.Data.Deserialize(wire.SnapshotEvent),
            JobEventTypes.Reset => entry.Data.Deserialize(wire.ResetEvent),
            JobEventTypes.Continued => entry.Data.Deserialize(wire.ContinuedEvent),
            JobEventTypes.Usage => entry.Data.Deserialize(wire.UsageEvent),
            JobEventTypes.ToolCall => entry.Data.Deserialize(wire.ToolCallEvent),
            JobEventTypes.ToolResult => entry.Data.Deserialize(wire.ToolResultEvent),
            JobEventTypes.Notice => entry.Data.Deserialize(wire.NoticeEvent),
            JobEventTypes.Final => entry.Data.Deserialize(wire.FinalEvent),
            _ => null,
        };
        return new RunEvent(entry.Seq, payload);
    }

    /// <summary>Reads one server-sent event; its number travels beside the data, in the event's id.</summary>
    public static RunEvent? Parse(string type, ReadOnlySpan<byte> data)
    {
        if (data.IsEmpty)
        {
            return null;
        }

        var reader = new Utf8JsonReader(data);
        return From(new JobEvent(0, type, JsonElement.ParseValue(ref reader)));
    }
}
