using AiBackend.ApiContracts.Prompts;

namespace AiBackend.Web.Prompts;

/// <summary>What the page of prompts shows, taken at one moment.</summary>
/// <param name="Prompts">By name.</param>
public sealed record PromptsSnapshot(IReadOnlyList<Prompt> Prompts);

/// <summary>What the page of one prompt shows, taken at one moment.</summary>
/// <param name="Prompt">The prompt, with its labels.</param>
/// <param name="Versions">Newest first, with how they fare.</param>
public sealed record PromptSnapshot(Prompt Prompt, IReadOnlyList<PromptVersion> Versions);
