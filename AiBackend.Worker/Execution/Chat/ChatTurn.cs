using AiBackend.Core.Contracts;
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

    /// <summary>What an answer may quote (<see cref="CitedSource"/>), in order.</summary>
    public IReadOnlyList<string> Sources { get; init; } = [];

    /// <summary>Those of <see cref="Messages"/> that were said before in the conversation, oldest first.</summary>
    public IReadOnlyList<ChatMessage> History { get; init; } = [];

    /// <summary>How often the model had no room for these.</summary>
    public int HistoryCuts { get; init; }

    /// <summary>The first turn: of what it says may be quoted what users and tools do.</summary>
    public static ChatTurn Begin(string model, IReadOnlyList<ChatMessage> messages, ChatOptions options) =>
        new(model, messages, options) { Sources = Quotable(messages) };

    /// <summary>The turn that follows when tools were called, in which the model need not call them any more.</summary>
    public ChatTurn After(IEnumerable<ChatMessage> said)
    {
        List<ChatMessage> added = [.. said];
        if (added.Count == 0)
        {
            return this;
        }

        var options = Options.Clone();
        options.ToolMode = options.ToolMode is RequiredChatToolMode ? ChatToolMode.Auto : options.ToolMode;
        return this with { Messages = [.. Messages, .. added], Options = options, Sources = [.. Sources, .. Quotable(added)] };
    }

    /// <summary>What the model is given, as text.</summary>
    public string Text => string.Join('\n', Messages.Select(TextOf));

    private static IReadOnlyList<string> Quotable(IEnumerable<ChatMessage> messages) =>
        [.. messages.Where(message => CitedSource.IsQuotable(message.Role.Value)).Select(TextOf)];

    private static string TextOf(ChatMessage message) => string.Join('\n', message.Contents.Select(TextOf));

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
