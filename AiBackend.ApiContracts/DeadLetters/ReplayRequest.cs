using System.Text.Json;

namespace AiBackend.ApiContracts.DeadLetters;

/// <summary>Body of <c>POST /api/v1/jobs/{id}/replay</c>: what the new job has otherwise than the old one.</summary>
public sealed record ReplayRequest
{
    /// <summary>Another input, of the shape that the job's type asks for; null keeps the old one.</summary>
    public JsonElement? Input { get; init; }

    /// <summary>Another route or model name; null keeps the old one.</summary>
    public string? Model { get; init; }
}
