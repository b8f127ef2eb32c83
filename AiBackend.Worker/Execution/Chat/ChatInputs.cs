using System.Text.Json;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs.Versions;
using AiBackend.Core.Providers.Wire;
using AiBackend.Core.Tools;
using AiBackend.Worker.Execution.Attached;
using Microsoft.Extensions.AI;

namespace AiBackend.Worker.Execution.Chat;

/// <summary>A chat as it is stored, in the terms of those who ask models.</summary>
internal static class ChatInputs
{
    /// <param name="json">As it is stored.</param>
    /// <param name="registered">Knows registered tools by name; null for one that there is not.</param>
    public static (IReadOnlyList<ChatMessage> Messages, ChatOptions Options) Read(string json, Func<string, ToolDefinition?> registered)
    {
        var input = JsonSerializer.Deserialize(json, StoredJson.Lenient.ChatInput)!;
        return ([.. input.Messages!.Select(MessageOf)], OptionsOf(input, registered));
    }

    private static ChatMessage MessageOf(ChatMessageInput message)
    {
        var role = new ChatRole(message.Role!);
        if (message.ToolCallId is { } answered)
        {
            return new ChatMessage(role, [new FunctionResultContent(answered, message.Content ?? "")]);
        }

        if (message is { ToolCalls: null or { Count: 0 }, Attachments: null or { Count: 0 } })
        {
            return new ChatMessage(role, message.Content);
        }

        IEnumerable<AIContent> said = string.IsNullOrEmpty(message.Content) ? [] : [new TextContent(message.Content)];
        return new ChatMessage(
            role,
            [
                .. (message.Attachments ?? []).Select(NamedFile.Of),
                .. said,
                .. (message.ToolCalls ?? []).Select(call => AskedTool.Of(call.Id!, call.Function!.Name!, call.Function.Arguments!)),
            ]
        );
    }

    private static ChatOptions OptionsOf(ChatInput input, Func<string, ToolDefinition?> registered)
    {
        var options = new ChatOptions
        {
            MaxOutputTokens = input.MaxOutputTokens,
            Temperature = (float?)input.Temperature,
            TopP = (float?)input.TopP,
            StopSequences = input.Stop?.ToList(),
            Seed = input.Seed,
            PresencePenalty = (float?)input.PresencePenalty,
            FrequencyPenalty = (float?)input.FrequencyPenalty,
            Tools = input.Tools?.Select(tool => ToolOf(tool, registered)).OfType<AITool>().ToList(),
            ToolMode = ModeOf(input.ToolChoice),
            AllowMultipleToolCalls = input.ParallelToolCalls,
            ResponseFormat = FormatOf(input.ResponseFormat),
        };
        if (input.ReasoningEffort is { } effort)
        {
            (options.AdditionalProperties ??= [])[CallOptions.ReasoningEffort] = effort;
        }

        if (input.ResponseFormat?.JsonSchema?.Strict is { } strict)
        {
            (options.AdditionalProperties ??= [])[CallOptions.StrictSchema] = strict;
        }

        return options;
    }

    private static DeclaredTool? ToolOf(OfferedTool offered, Func<string, ToolDefinition?> registered) =>
        offered switch
        {
            { Own.Function: { } tool } => new DeclaredTool(tool.Name!, tool.Description, tool.Parameters, tool.Strict),
            { Registered: { } name } when registered(name) is { } tool => new DeclaredTool(name, tool.Description, tool.Parameters, null),
            _ => null,
        };

    private static ChatToolMode? ModeOf(JsonElement? choice) =>
        choice switch
        {
            null or { ValueKind: JsonValueKind.Null } => null,
            { ValueKind: JsonValueKind.Object } one => ChatToolMode.RequireSpecific(
                one.GetProperty("function").GetProperty("name").GetString()!
            ),
            { } word => word.GetString() switch
            {
                "none" => ChatToolMode.None,
                "required" => ChatToolMode.RequireAny,
                _ => ChatToolMode.Auto,
            },
        };

    private static ChatResponseFormatJson? FormatOf(ChatAnswerFormat? format) =>
        format switch
        {
            { JsonSchema: { Schema: { } schema } named } => ChatResponseFormat.ForJsonSchema(schema, named.Name, named.Description),
            { Type: "json_object" } => ChatResponseFormat.Json,
            _ => null,
        };
}
