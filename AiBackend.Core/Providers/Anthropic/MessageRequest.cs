using System.Buffers;
using System.Text.Json;
using AiBackend.Core.Providers.Wire;
using Anthropic.Models.Messages;
using Microsoft.Extensions.AI;

namespace AiBackend.Core.Providers.Anthropic;

/// <summary>Says a conversation in Anthropic's terms.</summary>
/// <remarks>
/// The temperature stays unsaid: the version of the API that the SDK speaks refuses every request that has one. Written by hand: the
/// SDK's types know every tool that Anthropic itself runs, and a schema of ours passes through them only as what it is here, JSON.
/// </remarks>
internal static class MessageRequest
{
    private static readonly Dictionary<string, JsonElement> None = [];

    public static MessageCreateParams Of(string model, IEnumerable<ChatMessage> messages, int maxTokens, ChatOptions? options)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer))
        {
            var (instructions, turns) = Parted(messages);
            json.WriteStartObject();
            json.WriteString("model"u8, model);
            json.WriteNumber("max_tokens"u8, maxTokens);
            json.WriteStartArray("messages"u8);
            MessageTurns.Write(json, turns);
            json.WriteEndArray();
            if (options?.ResponseFormat is ChatResponseFormatJson { Schema: null })
            {
                // The protocol has schemas, but no JSON of whatever form.
                instructions.Add("Answer with one JSON object and nothing else.");
            }

            if (instructions.Count > 0)
            {
                json.WriteString("system"u8, string.Join("\n\n", instructions));
            }

            if (options is not null)
            {
                WriteOptions(json, options);
            }

            json.WriteEndObject();
        }

        using var body = JsonDocument.Parse(buffer.WrittenMemory);
        return MessageCreateParams.FromRawUnchecked(
            None,
            None,
            body.RootElement.EnumerateObject().ToDictionary(member => member.Name, member => member.Value.Clone(), StringComparer.Ordinal)
        );
    }

    /// <summary>Parameters that the protocol has no member for, of those that are asked for.</summary>
    public static IEnumerable<string> LeftOut(ChatOptions options)
    {
        (string Name, bool IsAsked)[] all =
        [
            ("temperature", options.Temperature is not null),
            ("top_p", options.TopP is not null),
            ("seed", options.Seed is not null),
            ("presence_penalty", options.PresencePenalty is not null),
            ("frequency_penalty", options.FrequencyPenalty is not null),
            ("reasoning_effort", CallOptions.EffortOf(options) is not null),
        ];
        return all.Where(each => each.IsAsked).Select(each => each.Name);
    }

    /// <summary>Instructions stand before the conversation; not every model takes them in its midst.</summary>
    private static (List<string> Instructions, List<ChatMessage> Turns) Parted(IEnumerable<ChatMessage> messages)
    {
        var instructions = new List<string>();
        var turns = new List<ChatMessage>();
        foreach (var message in messages)
        {
            if (message.Role == ChatRole.System || message.Role.Value == "developer")
            {
                instructions.Add(message.Text);
            }
            else
            {
                turns.Add(message);
            }
        }

        return (instructions, turns);
    }

    private static void WriteOptions(Utf8JsonWriter json, ChatOptions options)
    {
        if (options.StopSequences is { Count: > 0 } stop)
        {
            json.WriteStartArray("stop_sequences"u8);
            foreach (var text in stop)
            {
                json.WriteStringValue(text);
            }

            json.WriteEndArray();
        }

        var tools = options.Tools?.OfType<DeclaredTool>().ToList() ?? [];
        if (tools.Count > 0)
        {
            json.WriteStartArray("tools"u8);
            tools.ForEach(tool => WriteTool(json, tool));
            json.WriteEndArray();
            WriteChoice(json, options);
        }

        if (options.ResponseFormat is ChatResponseFormatJson { Schema: { } schema })
        {
            json.WriteStartObject("output_config"u8);
            json.WriteStartObject("format"u8);
            json.WriteString("type"u8, "json_schema"u8);
            json.WritePropertyName("schema"u8);
            schema.WriteTo(json);
            json.WriteEndObject();
            json.WriteEndObject();
        }
    }

    private static void WriteTool(Utf8JsonWriter json, DeclaredTool tool)
    {
        json.WriteStartObject();
        json.WriteString("name"u8, tool.Name);
        if (tool.Description.Length > 0)
        {
            json.WriteString("description"u8, tool.Description);
        }

        json.WritePropertyName("input_schema"u8);
        tool.JsonSchema.WriteTo(json);
        if (tool.Strict is true)
        {
            json.WriteBoolean("strict"u8, true);
        }

        json.WriteEndObject();
    }

    private static void WriteChoice(Utf8JsonWriter json, ChatOptions options)
    {
        var (type, name) = options.ToolMode switch
        {
            NoneChatToolMode => ("none", null),
            RequiredChatToolMode { RequiredFunctionName: { } one } => ("tool", one),
            RequiredChatToolMode => ("any", null),
            _ => ("auto", (string?)null),
        };
        if (type == "auto" && options.AllowMultipleToolCalls is not false)
        {
            return;
        }

        json.WriteStartObject("tool_choice"u8);
        json.WriteString("type"u8, type);
        if (name is not null)
        {
            json.WriteString("name"u8, name);
        }

        if (options.AllowMultipleToolCalls is false && type != "none")
        {
            json.WriteBoolean("disable_parallel_tool_use"u8, true);
        }

        json.WriteEndObject();
    }
}
