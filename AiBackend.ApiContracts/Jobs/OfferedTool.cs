using System.Text.Json;
using System.Text.Json.Serialization;

namespace AiBackend.ApiContracts.Jobs;

/// <summary>A tool that a chat offers to its model: the name of a registered one, which this installation runs, or one that the caller runs.</summary>
[JsonConverter(typeof(OfferedToolConverter))]
public sealed record OfferedTool
{
    /// <summary>Name of a registered tool; null when the caller runs it.</summary>
    public string? Registered { get; init; }

    /// <summary>What the caller runs; null when it is a registered one.</summary>
    public ChatTool? Own { get; init; }

    /// <summary>One that the caller runs.</summary>
    public static OfferedTool Of(ChatTool tool) => new() { Own = tool };

    /// <summary>Those that the caller runs.</summary>
    /// <returns>Null when there are none.</returns>
    public static IReadOnlyList<OfferedTool>? AllOf(IReadOnlyList<ChatTool>? tools) => tools is null ? null : [.. tools.Select(Of)];
}

/// <summary>A string is a name, anything else a <see cref="ChatTool"/>.</summary>
public sealed class OfferedToolConverter : JsonConverter<OfferedTool>
{
    /// <inheritdoc />
    public override OfferedTool Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String
            ? new OfferedTool { Registered = reader.GetString() }
            : new OfferedTool { Own = (ChatTool?)JsonSerializer.Deserialize(ref reader, options.GetTypeInfo(typeof(ChatTool))) };

    /// <inheritdoc />
    public override void Write(Utf8JsonWriter writer, OfferedTool value, JsonSerializerOptions options)
    {
        if (value.Registered is { } name)
        {
            writer.WriteStringValue(name);
        }
        else
        {
            JsonSerializer.Serialize(writer, value.Own, options.GetTypeInfo(typeof(ChatTool)));
        }
    }
}
