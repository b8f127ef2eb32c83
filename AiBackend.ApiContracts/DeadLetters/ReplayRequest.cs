using System.Text.Json;
using AiBackend.ApiContracts.Prompts;

namespace AiBackend.ApiContracts.DeadLetters;

/// <summary>Body of <c>POST /api/v1/jobs/{id}/replay</c>: what the new job has otherwise than the old one.</summary>
public sealed record ReplayRequest
{
    /// <summary>Another input, of the shape that the job's type asks for; null keeps the old one. With <see cref="FromStep"/> what the steps call <c>input</c>.</summary>
    public JsonElement? Input { get; init; }

    /// <summary>Another route or model name; null keeps the old one.</summary>
    public string? Model { get; init; }

    /// <summary>
    /// For a chat: makes its first messages anew of this version of a stored prompt. They take the place of those that were made of a prompt before, what its caller
    /// wrote stays. Variables are not kept with a job: send them. Not with <see cref="Input"/>.
    /// </summary>
    public PromptReference? Prompt { get; init; }

    /// <summary>For a run of a workflow: the step from which on everything is done again: it, all that depend on it, and what did not succeed. The others are taken over.</summary>
    public string? FromStep { get; init; }
}
