using System.Text.Json;
using System.Text.Json.Serialization;
using AiBackend.ApiContracts.Contracts;

namespace AiBackend.ApiContracts.Prompts;

/// <summary>What a version of a prompt says.</summary>
public sealed record PromptTemplate
{
    /// <summary>1 to 100 messages, oldest first. <c>{{name}}</c> in one stands for a variable; what a caller puts in is text and is not looked at again.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<PromptMessage>? Messages { get; init; }

    /// <summary>Every variable of the messages, by name: letters, digits and underscores, at most 64.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyDictionary<string, PromptVariable>? Variables { get; init; }

    /// <summary>Route or model for jobs that name none, or <c>default</c>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Model { get; init; }

    /// <summary>How jobs are answered that do not say it themselves.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public PromptParameters? Parameters { get; init; }

    /// <summary>What answers must be, of jobs that have no contract of their own. It holds before the route's.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public OutputContract? Contract { get; init; }
}

/// <summary>One message of a prompt.</summary>
public sealed record PromptMessage
{
    /// <summary><c>system</c>, <c>developer</c>, <c>user</c> or <c>assistant</c>.</summary>
    public string? Role { get; init; }

    /// <summary>The text, with <c>{{name}}</c> where a variable goes; at most 100 000 characters.</summary>
    public string? Content { get; init; }
}

/// <summary>What a caller puts into a prompt.</summary>
public sealed record PromptVariable
{
    /// <summary><c>string</c> (default), <c>number</c>, <c>boolean</c>, <c>enum</c>, or <c>list</c>, whose items stand on a line each.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Type { get; init; }

    /// <summary>What it is for.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Description { get; init; }

    /// <summary>Whether a job has to give it. Default true; one with a default need not be given.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public bool? Required { get; init; }

    /// <summary>What it is where a job does not give it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? Default { get; init; }

    /// <summary>Most characters of a <c>string</c> or of the items of a <c>list</c> together. Default 100 000.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? MaxLength { get; init; }

    /// <summary>With <c>enum</c>: the texts it may be.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Values { get; init; }
}

/// <summary>As the members of the same names in a chat's input.</summary>
public sealed record PromptParameters
{
    /// <summary>Upper bound of the answer in tokens.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? MaxOutputTokens { get; init; }

    /// <summary>Sampling temperature, 0 to 2.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? Temperature { get; init; }

    /// <summary>Nucleus sampling, 0 to 1.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? TopP { get; init; }

    /// <summary>Up to 4 texts that end the answer.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Stop { get; init; }

    /// <summary>How much a reasoning model thinks.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? ReasoningEffort { get; init; }
}

/// <summary>Names a stored prompt in a chat's input, and what goes into it.</summary>
public sealed record PromptReference
{
    /// <summary>Name of the prompt.</summary>
    public string? Name { get; init; }

    /// <summary>This version; null lets the label decide.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Version { get; init; }

    /// <summary>The version that this label says when the job is accepted, <c>production</c> by default; <c>latest</c> is the newest. Not with <see cref="Version"/>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Label { get; init; }

    /// <summary>What goes into it, by name of the variable.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyDictionary<string, JsonElement>? Variables { get; init; }
}
