using System.Text.Json;
using AiBackend.Core.Texts;
using Microsoft.Extensions.AI;

namespace AiBackend.Core.Providers.Wire;

/// <summary>What a chat call may ask for that <see cref="ChatOptions"/> has no member for.</summary>
public static class CallOptions
{
    /// <summary>How much a reasoning model thinks, in OpenAI's words.</summary>
    public const string ReasoningEffort = "aibackend.reasoning_effort";

    /// <summary>Whether an answer must fit its schema exactly: a <see cref="bool"/>.</summary>
    public const string StrictSchema = "aibackend.strict_schema";

    /// <summary>How closely a picture is looked at, in OpenAI's words: a property of its content.</summary>
    public const string ImageDetail = "aibackend.image_detail";

    internal static string? EffortOf(ChatOptions? options) => options?.AdditionalProperties?.GetValueOrDefault(ReasoningEffort) as string;

    internal static bool? StrictSchemaOf(ChatOptions? options) => options?.AdditionalProperties?.GetValueOrDefault(StrictSchema) as bool?;
}

/// <summary>A tool that a model may ask for, and that its caller runs.</summary>
/// <param name="name">Its name.</param>
/// <param name="description">What it is for.</param>
/// <param name="parameters">Schema of its arguments; null takes none.</param>
/// <param name="strict">Whether arguments must fit exactly; null leaves it to the provider.</param>
public sealed class DeclaredTool(string name, string? description, JsonElement? parameters, bool? strict) : AIFunctionDeclaration
{
    private static readonly JsonElement NoArguments = JsonElement.Parse("""{"type":"object","properties":{}}""");

    /// <inheritdoc />
    public override string Name => name;

    /// <inheritdoc />
    public override string Description => description ?? "";

    /// <inheritdoc />
    public override JsonElement JsonSchema => parameters ?? NoArguments;

    /// <summary>Whether arguments must fit exactly; null leaves it to the provider.</summary>
    public bool? Strict => strict;
}

/// <summary>A tool that a model asked for, with the arguments as it wrote them.</summary>
public static class AskedTool
{
    /// <summary>Whether arguments are one JSON value, whole, and such as can be stored and read again.</summary>
    public static bool IsJson(string arguments) => StorableJson.Find(arguments) is not null;

    /// <summary>As a content of a message.</summary>
    /// <param name="id">Names the call.</param>
    /// <param name="name">The tool.</param>
    /// <param name="arguments">JSON, if the model kept its word.</param>
    public static FunctionCallContent Of(string id, string name, string arguments) => new(id, name) { RawRepresentation = arguments };

    /// <summary>The arguments of a call that was made here.</summary>
    public static string ArgumentsOf(FunctionCallContent call) => call.RawRepresentation as string ?? "{}";
}
