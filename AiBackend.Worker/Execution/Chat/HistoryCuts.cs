using AiBackend.ApiContracts.Conversations;
using AiBackend.Core.Conversations;
using AiBackend.Core.Jobs;
using AiBackend.Core.Providers.Failures;
using Microsoft.Extensions.AI;

namespace AiBackend.Worker.Execution.Chat;

/// <summary>A model that says it has no room for all that was said before, of a route that has none with more, is asked with less of it.</summary>
/// <remarks>What is left out stays in the conversation; that something was makes a summary follow (<see cref="CompactionJobs"/>).</remarks>
internal static class HistoryCuts
{
    /// <summary>Half of it, then a quarter, then nothing: each is another call of the attempt.</summary>
    private const int Most = 3;

    /// <summary>Whether the model may answer when it is told less. One that has begun to had room.</summary>
    public static bool Help(Exception failure, ChatTurn turn, ChatAnswer answer) =>
        turn.History.Count > 0
        && !answer.HasText
        && !answer.AsksForTools
        && ProviderFailures.Classify(failure).Code == ProviderFailureCodes.ContextLengthExceeded;

    /// <summary>The same question with less of what was said before; readers of the log are told.</summary>
    public static ChatTurn Cut(ChatTurn turn, ChatAnswer answer, RunningJob running)
    {
        var kept = turn.HistoryCuts + 1 < Most ? Newer(turn.History) : [];
        var dropped = turn.History.Take(turn.History.Count - kept.Count).ToHashSet();
        running.AppendNotice(
            "context_cut",
            FormattableString.Invariant(
                $"The model has no room for all that was said before, so it was asked without the oldest {dropped.Count} messages of it."
            )
        );
        answer.Context = answer.Context is { } told ? Without(told, kept, dropped.Count) : null;
        return turn with
        {
            Messages = [.. turn.Messages.Where(message => !dropped.Contains(message))],
            History = kept,
            HistoryCuts = turn.HistoryCuts + 1,
        };
    }

    /// <summary>From a user's message on: an answer without its question says nothing.</summary>
    private static IReadOnlyList<ChatMessage> Newer(IReadOnlyList<ChatMessage> history) =>
        [.. history.Skip((history.Count + 1) / 2).SkipWhile(message => message.Role != ChatRole.User)];

    /// <summary>The budget becomes half of what was too much, so that a summary is written for a model of this size.</summary>
    private static JobContext Without(JobContext told, IReadOnlyList<ChatMessage> kept, int dropped)
    {
        var size = kept.Sum(message => ContextSize.Of(message.Text));
        ContextPart[] parts =
        [
            .. told
                .Parts.Select(part => part.Name == ContextParts.History ? part with { Tokens = size } : part)
                .Where(part => part.Tokens > 0),
        ];
        var budget = Math.Max(parts.Sum(part => part.Tokens), told.Parts.Sum(part => part.Tokens) / 2);
        return told with { MaxTokens = budget, Parts = parts, DroppedMessages = told.DroppedMessages + dropped };
    }
}
