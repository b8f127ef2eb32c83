using System.Text.Json;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.Jobs.Streaming;

/// <summary>Events where they are part of other JSON.</summary>
internal static class EventOnTheWire
{
    public static JobEvent ToWire(this JobEventRecord record)
    {
        var reader = new Utf8JsonReader(record.Data.Span);
        return new JobEvent(record.Seq, record.Kind.ToWire(), JsonElement.ParseValue(ref reader));
    }
}
