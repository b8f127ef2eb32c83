namespace AiBackend.ApiContracts.Prompts;

/// <summary>Body of <c>POST /api/v1/prompts</c>.</summary>
public sealed record NewPrompt
{
    /// <summary>Its name for good: 1 to 64 lower-case letters, digits, hyphens, dots and underscores, the first one a letter or digit.</summary>
    public string? Name { get; init; }

    /// <summary>What it is for; at most 500 characters.</summary>
    public string? Description { get; init; }

    /// <summary>Why version 1 was made; at most 500 characters.</summary>
    public string? Note { get; init; }

    /// <summary>What version 1 says.</summary>
    public PromptTemplate? Template { get; init; }
}

/// <summary>Body of <c>POST /api/v1/prompts/{name}/versions</c>.</summary>
public sealed record NewPromptVersion
{
    /// <summary>Why it was made; at most 500 characters.</summary>
    public string? Note { get; init; }

    /// <summary>What it says.</summary>
    public PromptTemplate? Template { get; init; }
}

/// <summary>Body of <c>PUT /api/v1/prompts/{name}/labels/{label}</c>.</summary>
public sealed record PromptLabelRequest
{
    /// <summary>The version that jobs get from now on.</summary>
    public int? Version { get; init; }

    /// <summary>A version that some of them get instead; null is none.</summary>
    public PromptCanary? Canary { get; init; }
}
