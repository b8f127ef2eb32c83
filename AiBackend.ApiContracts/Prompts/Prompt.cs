using AiBackend.ApiContracts.Operations;

namespace AiBackend.ApiContracts.Prompts;

/// <summary>A named text for models, whose versions never change.</summary>
public sealed record Prompt
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>What it is for.</summary>
    public string? Description { get; init; }

    /// <summary>Its newest version.</summary>
    public required int Latest { get; init; }

    /// <summary>What its labels say now, by name.</summary>
    public required IReadOnlyList<PromptLabel> Labels { get; init; }

    /// <summary>When it was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>The prompts of a tenant.</summary>
/// <param name="Data">By name.</param>
public sealed record PromptList(IReadOnlyList<Prompt> Data);

/// <summary>What a label of a prompt says.</summary>
public sealed record PromptLabel
{
    /// <summary>Its name.</summary>
    public required string Label { get; init; }

    /// <summary>Number of this change of the label, from 1.</summary>
    public required int Seq { get; init; }

    /// <summary>The version that jobs get.</summary>
    public required int Version { get; init; }

    /// <summary>A version that some of them get instead; null is none.</summary>
    public PromptCanary? Canary { get; init; }

    /// <summary>The change whose words this one took up again; null when it is no rollback.</summary>
    public int? RolledBackTo { get; init; }

    /// <summary>When it was set.</summary>
    public required DateTimeOffset SetAt { get; init; }

    /// <summary>Public id of the key, or the user, that set it.</summary>
    public required string SetBy { get; init; }
}

/// <summary>Every change of a label.</summary>
/// <param name="Data">Newest first, at most 200.</param>
public sealed record PromptLabelList(IReadOnlyList<PromptLabel> Data);

/// <summary>A version that a part of the jobs get.</summary>
public sealed record PromptCanary
{
    /// <summary>Which.</summary>
    public int? Version { get; init; }

    /// <summary>How many of a hundred, above 0 and at most 100. The same <c>user</c>, or else idempotency key, always gets the same version.</summary>
    public double? Percent { get; init; }
}

/// <summary>One version of a prompt.</summary>
public sealed record PromptVersion
{
    /// <summary>Name of the prompt.</summary>
    public required string Name { get; init; }

    /// <summary>Its number, from 1.</summary>
    public required int Version { get; init; }

    /// <summary>Why it was made.</summary>
    public string? Note { get; init; }

    /// <summary>What it says.</summary>
    public required PromptTemplate Template { get; init; }

    /// <summary>How it fares; null where it was not asked for.</summary>
    public PromptStatistics? Statistics { get; init; }

    /// <summary>When it was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Public id of the key, or the user, that made it.</summary>
    public required string CreatedBy { get; init; }
}

/// <summary>Versions of a prompt.</summary>
/// <param name="Data">Newest first, at most 100.</param>
public sealed record PromptVersionList(IReadOnlyList<PromptVersion> Data);

/// <summary>What became of the jobs of a version in the last 30 days, as long as they are kept.</summary>
/// <param name="Jobs">Accepted.</param>
/// <param name="Completed">Of them completed, whole or in part.</param>
/// <param name="Failed">Of them failed.</param>
/// <param name="Answers">Jobs whose first answer was laid beside a contract.</param>
/// <param name="FirstPass">Those of them whose first answer kept it as it was.</param>
/// <param name="CostUsd">What their calls cost together, as far as there are prices.</param>
/// <param name="InputTokens">Tokens read.</param>
/// <param name="OutputTokens">Tokens written.</param>
/// <param name="Run">First claim until the end; null when none has ended.</param>
public sealed record PromptStatistics(
    long Jobs,
    long Completed,
    long Failed,
    long Answers,
    long FirstPass,
    decimal CostUsd,
    long InputTokens,
    long OutputTokens,
    Percentiles? Run
);

/// <summary>What differs between two versions.</summary>
/// <param name="Name">Name of the prompt.</param>
/// <param name="From">The one version.</param>
/// <param name="To">The other one.</param>
/// <param name="Parts">Parts that differ; empty when they say the same.</param>
public sealed record PromptDiff(string Name, int From, int To, IReadOnlyList<PromptDiffPart> Parts);

/// <summary>A part that differs.</summary>
/// <param name="Part"><c>messages[0]</c> and so on, or <c>settings</c>: variables, model, parameters and contract as JSON.</param>
/// <param name="Lines">Every line of it, which begins with a minus sign where it went, a plus sign where it came, and a space where it stayed.</param>
public sealed record PromptDiffPart(string Part, IReadOnlyList<string> Lines);
