using System.Text.Json.Serialization;

namespace AiBackend.ApiContracts.Contracts;

/// <summary>What one look at an answer found.</summary>
public sealed record ContractCheck
{
    /// <summary>One of <see cref="Verdicts"/>.</summary>
    public required string Verdict { get; init; }

    /// <summary>The provider whose answer it was; null where nobody was asked.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Provider { get; init; }

    /// <summary>Its model.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Model { get; init; }

    /// <summary>What was mended without the model, see <see cref="Repairs"/>.</summary>
    public IReadOnlyList<string> Repaired { get; init; } = [];

    /// <summary>What is wrong; none when the answer is valid. At most 20, and one with the rule <c>more</c> when there are more.</summary>
    public IReadOnlyList<ContractViolation> Violations { get; init; } = [];
}

/// <summary>One thing that is wrong with an answer.</summary>
/// <param name="Path">JSON Pointer to the value; empty is the whole answer.</param>
/// <param name="Rule">The schema's keyword, or the rule.</param>
/// <param name="Message">What is wrong, and what would be right.</param>
public sealed record ContractViolation(string Path, string Rule, string Message)
{
    /// <summary>A person decides about it, and not the model.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool ForReview { get; init; }
}

/// <summary>Kinds of verdict.</summary>
public static class Verdicts
{
    /// <summary>The answer keeps its contract.</summary>
    public const string Valid = "valid";

    /// <summary>It is no JSON, or none that could be stored and compared.</summary>
    public const string Parse = "parse";

    /// <summary>It does not fit the schema.</summary>
    public const string Schema = "schema";

    /// <summary>It fits the schema and breaks a rule.</summary>
    public const string Rule = "rule";

    /// <summary>The model refused, or its provider's filter did.</summary>
    public const string Refusal = "refusal";

    /// <summary>The answer was cut off at the limit of output tokens.</summary>
    public const string Truncation = "truncation";
}

/// <summary>What is mended without asking the model again.</summary>
public static class Repairs
{
    /// <summary>A Markdown fence around the JSON.</summary>
    public const string Fence = "fence";

    /// <summary>Words before or after the JSON.</summary>
    public const string SurroundingText = "surrounding_text";

    /// <summary>A comma before a closing bracket.</summary>
    public const string TrailingComma = "trailing_comma";

    /// <summary>A number or boolean that was written as text.</summary>
    public const string TextForValue = "text_for_value";
}

/// <summary>Asks what a contract says about a text, without a job.</summary>
public sealed record CheckContractRequest
{
    /// <summary>The contract.</summary>
    public OutputContract? Contract { get; init; }

    /// <summary>What a model might have answered.</summary>
    public string? Text { get; init; }

    /// <summary>What may be quoted, for <c>cited</c>; empty when it is left out.</summary>
    public string? Source { get; init; }
}

/// <summary>What a contract says about a text.</summary>
/// <param name="Check">The verdict.</param>
/// <param name="Text">The text as it would be the job's output; null when it would not be.</param>
public sealed record ContractCheckResult(ContractCheck Check, string? Text);
