using Microsoft.Extensions.AI;

namespace AiBackend.Worker.Execution.Chat;

/// <summary>One question to a model. An attempt has one, and more where its answer leads to another question.</summary>
/// <param name="Model">The route or model that is asked.</param>
/// <param name="Messages">The conversation, oldest first.</param>
/// <param name="Options">How it is to be answered.</param>
internal sealed record ChatTurn(string Model, IReadOnlyList<ChatMessage> Messages, ChatOptions Options)
{
    /// <summary>Why it follows another one, as a code for readers of the log.</summary>
    public string Reason { get; init; } = "";

    /// <summary>The turn that follows when messages were added, in which the model need not call tools any more.</summary>
    public ChatTurn After(IEnumerable<ChatMessage> said)
    {
        List<ChatMessage> messages = [.. Messages, .. said];
        if (messages.Count == Messages.Count)
        {
            return this;
        }

        var options = Options.Clone();
        options.ToolMode = options.ToolMode is RequiredChatToolMode ? ChatToolMode.Auto : options.ToolMode;
        return this with { Messages = messages, Options = options };
    }

    /// <summary>What the model is given, as text.</summary>
    public string Source => string.Join('\n', Messages.SelectMany(message => message.Contents).Select(TextOf));

    private static string TextOf(AIContent content) =>
        content switch
        {
            TextContent text => text.Text,
            FunctionResultContent { Result: string result } => result,
            _ => "",
        };
}

/// <summary>What follows a turn: the attempt's end, or another turn.</summary>
internal readonly record struct AfterTurn(Core.Jobs.AttemptEnd? End, ChatTurn? Next);
