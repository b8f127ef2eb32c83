using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Conversations;
using AiBackend.Core.Jobs.Versions;

namespace AiBackend.Core.Jobs;

/// <summary>What an attempt's model was given of a conversation, as its row keeps it.</summary>
internal static class JobContextJson
{
    public static string? ToColumn(JobContext? context) =>
        context is null ? null : JsonSerializer.Serialize(context, WireJson.Default.JobContext);

    public static JobContext? Read(string? column) =>
        column is null ? null : JsonSerializer.Deserialize(column, StoredJson.Lenient.JobContext);
}
