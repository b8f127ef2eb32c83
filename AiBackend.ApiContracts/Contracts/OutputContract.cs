using System.Text.Json;
using System.Text.Json.Serialization;
using AiBackend.ApiContracts.Reviews;

namespace AiBackend.ApiContracts.Contracts;

/// <summary>What an answer must be before it counts as the job's output.</summary>
public sealed record OutputContract
{
    /// <summary>
    /// JSON Schema (2020-12) of the answer, which then is JSON: at most 64 KiB, 16 levels deep, 500 schemas; <c>$ref</c> only within it;
    /// patterns without look-around and back-references. Null: the answer is JSON of any shape, for <see cref="Rules"/> to look at.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? Schema { get; init; }

    /// <summary>What a schema cannot say: at most 50.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ContractRule>? Rules { get; init; }

    /// <summary>One of <see cref="ContractPolicies"/>; <c>repair</c> when it is left out.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? OnViolation { get; init; }

    /// <summary>For results that a person decides about: how long that may take.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ContractReview? Review { get; init; }
}

/// <summary>How far is gone for an answer that keeps its contract. Each includes those before it.</summary>
public static class ContractPolicies
{
    /// <summary>The job fails at once.</summary>
    public const string Fail = "fail";

    /// <summary>What can be mended without the model is; then the model is told what is wrong, once.</summary>
    public const string Repair = "repair";

    /// <summary>Then the route's stronger model is asked, if it names one.</summary>
    public const string Fallback = "fallback";

    /// <summary>Then a person decides.</summary>
    public const string Review = "review";

    /// <summary>Every policy.</summary>
    public static IReadOnlyList<string> All { get; } = [Fail, Repair, Fallback, Review];
}

/// <summary>One rule about values of the answer. Which other members it takes depends on <see cref="Rule"/>.</summary>
public sealed record ContractRule
{
    /// <summary>One of <see cref="ContractRules"/>.</summary>
    public string? Rule { get; init; }

    /// <summary>JSON Pointer to the values, where <c>*</c> stands for every item or member: <c>/items/*/price</c>; the whole answer when it is left out.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Path { get; init; }

    /// <summary>For <c>range</c>: the least.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public decimal? Min { get; init; }

    /// <summary>For <c>range</c>: the most.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public decimal? Max { get; init; }

    /// <summary>For <c>allowed</c>: the values that may stand there.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<JsonElement>? Values { get; init; }

    /// <summary>For <c>compare</c>: one of <c>&lt;</c>, <c>&lt;=</c>, <c>=</c>, <c>!=</c>, <c>&gt;=</c>, <c>&gt;</c>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Operator { get; init; }

    /// <summary>For <c>compare</c> and <c>sum</c>: JSON Pointer to the other value.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? With { get; init; }

    /// <summary>For <c>sum</c>: by how much it may differ; 0 when it is left out.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public decimal? Tolerance { get; init; }

    /// <summary>For <c>cited</c>: how many values there must be at least; 1 when it is left out.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? AtLeast { get; init; }

    /// <summary>For <c>url</c>: the schemes that are allowed; <c>https</c> when it is left out.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Schemes { get; init; }

    /// <summary>For <c>custom</c>: the name under which the validator is registered.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Name { get; init; }

    /// <summary>For <c>judge</c>: the route or model that is asked.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Model { get; init; }

    /// <summary>For <c>judge</c>: what makes an answer good, in words for the model.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Criteria { get; init; }

    /// <summary>For <c>judge</c>: the least score that passes, 0 to 1; 0.5 when it is left out.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? MinScore { get; init; }

    /// <summary><c>error</c>, or <c>review</c>: then the model is not asked again, and a person decides. <c>error</c> when it is left out.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Severity { get; init; }

    /// <summary>What the model, and whoever reads the verdict, is told when the rule is broken; a text of the rule's own when it is left out.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Message { get; init; }
}

/// <summary>Names of rules.</summary>
public static class ContractRules
{
    /// <summary>Numbers between <c>min</c> and <c>max</c>.</summary>
    public const string Range = "range";

    /// <summary>Only the values listed.</summary>
    public const string Allowed = "allowed";

    /// <summary>A value against another of the same answer: numbers by size, texts and dates by their order.</summary>
    public const string Compare = "compare";

    /// <summary>Numbers that add up to another value of the same answer.</summary>
    public const string Sum = "sum";

    /// <summary>No value twice.</summary>
    public const string Unique = "unique";

    /// <summary>Texts that stand, word for word, in what users, tools and looked-up passages say.</summary>
    public const string Cited = "cited";

    /// <summary>Absolute addresses with an allowed scheme and without a user name.</summary>
    public const string Url = "url";

    /// <summary>File paths that stay below where they begin.</summary>
    public const string RelativePath = "relative_path";

    /// <summary>A validator that is registered in code.</summary>
    public const string Custom = "custom";

    /// <summary>Another model's opinion.</summary>
    public const string Judge = "judge";

    /// <summary>Every rule.</summary>
    public static IReadOnlyList<string> All { get; } = [Range, Allowed, Compare, Sum, Unique, Cited, Url, RelativePath, Custom, Judge];
}

/// <summary>How serious a broken rule is.</summary>
public static class RuleSeverities
{
    /// <summary>The ladder of the contract's policy is climbed.</summary>
    public const string Error = "error";

    /// <summary>A person decides, at once.</summary>
    public const string Review = "review";
}
