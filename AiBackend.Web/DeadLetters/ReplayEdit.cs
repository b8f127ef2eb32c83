using System.Text.Json;
using AiBackend.ApiContracts.DeadLetters;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Web.Api;

namespace AiBackend.Web.DeadLetters;

/// <summary>Changes the last thing a user said and leaves the rest of the conversation alone.</summary>
internal static class ReplayEdit
{
    public static string TextOf(ChatInput input) =>
        input.Messages is { } messages && LastOf(messages) is >= 0 and var at ? messages[at].Content ?? "" : "";

    /// <param name="input">As the old job has it.</param>
    /// <param name="text">Instead of the last message of its user.</param>
    /// <param name="model">Empty keeps the old one.</param>
    public static ReplayRequest Of(ChatInput input, string text, string model)
    {
        var messages = (input.Messages ?? []).ToList();
        if (LastOf(messages) is >= 0 and var at)
        {
            messages[at] = messages[at] with { Content = text };
        }

        var edited = input with { Messages = messages };
        return new ReplayRequest
        {
            Model = model.Length == 0 ? null : model,
            Input = JsonSerializer.SerializeToElement(edited, ClientJson.Lenient.ChatInput),
        };
    }

    private static int LastOf(IReadOnlyList<ChatMessageInput> messages)
    {
        var at = messages.Count - 1;
        while (at >= 0 && messages[at].Role != "user")
        {
            at--;
        }

        return at >= 0 ? at : messages.Count - 1;
    }
}
