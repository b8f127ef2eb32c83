using System.Text.Json;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs.Versions;
using AiBackend.Core.Providers.Wire;
using Microsoft.Extensions.AI;

namespace AiBackend.Worker.Execution;

/// <summary>A chat as it is stored, in the terms of those who ask models.</summary>
internal static class ChatInputs
{
    public static (IReadOnlyList<ChatMessage> Messages, ChatOptions Options) Read(string json)
    {
        var input = JsonSerializer.Deserialize(json, StoredJson.Lenient.ChatInput)!;
        return ([.. input.Messages!.Select(MessageOf)], OptionsOf(input));
    }

    private static ChatMessage MessageOf(ChatMessageInput message) => new(new ChatRole(message.Role!), message.Content);

    private static ChatOptions OptionsOf(ChatInput input)
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
        };
        if (input.ReasoningEffort is { } effort)
        {
            options.AdditionalProperties = new() { [CallOptions.ReasoningEffort] = effort };
        }

        return options;
    }
}
