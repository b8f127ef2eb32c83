using System.Text.Json;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Web.Api;

namespace AiBackend.Web.Ask;

/// <summary>What the form sends.</summary>
internal static class ChatRequest
{
    /// <summary>One question somebody waits for: ahead of work that nobody watches.</summary>
    public static SubmitJobRequest Of(string text, string model, params IReadOnlyList<Guid> files) =>
        new()
        {
            Type = "chat",
            Model = model,
            Priority = "interactive",
            Attachments = files.Count > 0 ? [.. files.Select(file => new Attachment { File = file })] : null,
            Input = JsonSerializer.SerializeToElement(
                new ChatInput { Messages = [new ChatMessageInput { Role = "user", Content = text }] },
                ClientJson.Lenient.ChatInput
            ),
        };
}
