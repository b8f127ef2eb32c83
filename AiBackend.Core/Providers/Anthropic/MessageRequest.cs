using Anthropic.Models.Messages;
using Microsoft.Extensions.AI;

namespace AiBackend.Core.Providers.Anthropic;

/// <summary>Says a conversation in Anthropic's terms.</summary>
/// <remarks>The temperature stays unsaid: the version of the API that the SDK speaks refuses every request that has one.</remarks>
internal static class MessageRequest
{
    public static MessageCreateParams Of(string model, IEnumerable<ChatMessage> messages, int maxTokens, IList<string>? stop)
    {
        var instructions = new List<string>();
        var turns = new List<MessageParam>();
        foreach (var message in messages)
        {
            // Instructions stand before the conversation; not every model takes them in its midst.
            if (message.Role == ChatRole.System)
            {
                instructions.Add(message.Text);
            }
            else if (message.Role == ChatRole.Assistant)
            {
                turns.Add(new AssistantMessageParam(message.Text));
            }
            else
            {
                turns.Add(new UserMessageParam(message.Text));
            }
        }

        var request = new MessageCreateParams
        {
            Model = model,
            MaxTokens = maxTokens,
            Messages = turns,
        };
        if (stop is { Count: > 0 })
        {
            request = request with { StopSequences = [.. stop] };
        }

        return instructions.Count == 0 ? request : request with { System = string.Join("\n\n", instructions) };
    }
}
