using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Workflows;
using static System.FormattableString;

namespace AiBackend.Core.Workflows;

/// <summary>What a step asks its model, with values in place of placeholders.</summary>
/// <param name="Chat">The chat.</param>
/// <param name="Query">What is looked for in the tenant's texts; null leaves that to the chat.</param>
public sealed record StepInput(ChatInput Chat, string? Query)
{
    // As for whoever searches.
    private const int MaxQuery = 2000;

    /// <param name="step">A step of the type chat.</param>
    /// <param name="values">What placeholders stand for.</param>
    /// <param name="fault">Why that is nothing one can ask, as a sentence; null when it is.</param>
    /// <returns>Null when there is a fault.</returns>
    public static StepInput? Of(WorkflowStep step, WorkflowValues values, out string? fault)
    {
        long room = StepValues.MaxBytes;
        var messages = new List<ChatMessageInput>();
        foreach (var message in step.Messages ?? [])
        {
            var content = message.Content is { } template ? WorkflowTemplates.Text(template, values, ref room) : null;
            if (room < 0)
            {
                fault = StepValues.TooLarge(StepValues.MaxBytes - room);
                return null;
            }

            // What is empty in the definition is refused there.
            if (string.IsNullOrWhiteSpace(content) && !string.IsNullOrEmpty(message.Content))
            {
                fault = Invariant(
                    $"messages[{messages.Count}] is empty: the values of its placeholders are. Skip the step with when, or put words around them."
                );
                return null;
            }

            messages.Add(message with { Content = content });
        }

        long roomOfQuery = MaxQuery * 4;
        var query = step.Retrieve?.Query is { } asked ? WorkflowTemplates.Text(asked, values, ref roomOfQuery) : null;
        fault =
            roomOfQuery < 0 || query?.Length > MaxQuery
                ? Invariant($"retrieve.query has more than {MaxQuery} characters with its values put in. Take parts of them.")
                : null;
        var chat = new ChatInput
        {
            Messages = messages,
            MaxOutputTokens = step.MaxOutputTokens,
            Temperature = step.Temperature,
        };
        // Nothing is looked for by what has no words: the chat says it then.
        return fault is null ? new StepInput(chat, string.IsNullOrWhiteSpace(query) ? null : query) : null;
    }

    /// <summary>The chat as it is stored.</summary>
    public string ToJson() => JsonSerializer.Serialize(Chat, WireJson.Default.ChatInput);
}
