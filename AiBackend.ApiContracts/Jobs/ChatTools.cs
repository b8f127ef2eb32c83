using System.Text.Json;
using System.Text.Json.Serialization;

namespace AiBackend.ApiContracts.Jobs;

/// <summary>A tool that the model may call; it is the caller who runs it.</summary>
public sealed record ChatTool
{
    /// <summary>Always <c>function</c>.</summary>
    public string? Type { get; init; }

    /// <summary>The function.</summary>
    public ChatFunction? Function { get; init; }
}

/// <summary>What a tool is called, and what it takes.</summary>
public sealed record ChatFunction
{
    /// <summary>Its name: up to 64 letters, digits, hyphens and underscores.</summary>
    public string? Name { get; init; }

    /// <summary>What it is for, in words for the model.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Description { get; init; }

    /// <summary>JSON schema of its arguments, which are an object; null takes none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? Parameters { get; init; }

    /// <summary>Whether arguments must fit the schema exactly, as far as the model can promise it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public bool? Strict { get; init; }
}

/// <summary>A call of a tool that a model asks for.</summary>
public sealed record ChatToolCall
{
    /// <summary>Names the call; a message with its result repeats it.</summary>
    public string? Id { get; init; }

    /// <summary>Always <c>function</c>.</summary>
    public string? Type { get; init; } = "function";

    /// <summary>What is called.</summary>
    public ChatCalledFunction? Function { get; init; }

    /// <summary>A call of a function.</summary>
    public static ChatToolCall Of(string id, string name, string arguments) =>
        new()
        {
            Id = id,
            Function = new ChatCalledFunction { Name = name, Arguments = arguments },
        };
}

/// <summary>The function that a model asks for.</summary>
public sealed record ChatCalledFunction
{
    /// <summary>Its name.</summary>
    public string? Name { get; init; }

    /// <summary>Its arguments as the model wrote them: a JSON object, if the model keeps its word.</summary>
    public string? Arguments { get; init; }
}

/// <summary>The form that an answer must have.</summary>
public sealed record ChatAnswerFormat
{
    /// <summary><c>text</c>, <c>json_object</c> or <c>json_schema</c>.</summary>
    public string? Type { get; init; }

    /// <summary>The schema, with <c>json_schema</c>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ChatAnswerSchema? JsonSchema { get; init; }
}

/// <summary>A schema that an answer must fit.</summary>
public sealed record ChatAnswerSchema
{
    /// <summary>What it is called: up to 64 letters, digits, hyphens and underscores.</summary>
    public string? Name { get; init; }

    /// <summary>What it is for, in words for the model.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Description { get; init; }

    /// <summary>The JSON schema.</summary>
    public JsonElement? Schema { get; init; }

    /// <summary>Whether the answer must fit exactly, as far as the model can promise it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public bool? Strict { get; init; }
}

/// <summary>Payload of <c>tool_call</c>.</summary>
/// <param name="Attempt">The attempt in which the model asked.</param>
/// <param name="Call">What it asks for, whole.</param>
public sealed record ToolCallEvent(int Attempt, ChatToolCall Call);
