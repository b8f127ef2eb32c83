using AiBackend.ApiContracts.Conversations;
using AiBackend.Core.Contracts;
using AiBackend.Core.Conversations;
using AiBackend.Core.Jobs;
using AiBackend.Worker.Execution.Attached;
using Microsoft.Extensions.AI;

namespace AiBackend.Worker.Execution.Chat;

/// <summary>What the model is given besides the messages of the job: files, passages that were looked up, and what was said before in its conversation.</summary>
internal sealed class TurnContext(Attachments attachments, ConversationTurns turns, Retrieval retrieval, CancelJob cancel)
{
    /// <summary>Whoever ends lets the next one go on; that it looks by itself is for the case that nobody says so.</summary>
    private static readonly TimeSpan WaitFor = TimeSpan.FromMinutes(5);

    /// <returns>The attempt's end when the model is not asked, or else the turn to ask it.</returns>
    public async ValueTask<AfterTurn> AddAsync(
        ChatTurn asked,
        JobTerms terms,
        RunningJob running,
        ChatAnswer answer,
        CancellationToken stop
    )
    {
        var (end, given) =
            terms.Attachments is null && NamedFile.In(asked.Messages).Count == 0
                ? new AfterTurn(null, asked)
                : await attachments.AddAsync(asked, terms.Attachments, running, stop);
        if (given is not { } turn)
        {
            return new(end, null);
        }

        if (terms.Conversation is { } conversation)
        {
            return await ContinueAsync(turn, terms, conversation, running, answer, stop);
        }

        if (terms.Retrieve is not { } query || await retrieval.ReadAsync(turn, query, running, int.MaxValue, stop) is not { } found)
        {
            return new(null, turn);
        }

        answer.Context = new JobContext(0, [], 0) { Passages = found.Given };
        return new(
            null,
            turn with
            {
                Messages = [new ChatMessage(ChatRole.System, found.Text), .. turn.Messages],
                Sources = [.. turn.Sources, .. found.Passages],
            }
        );
    }

    private async ValueTask<AfterTurn> ContinueAsync(
        ChatTurn turn,
        JobTerms terms,
        JobConversation asked,
        RunningJob running,
        ChatAnswer answer,
        CancellationToken stop
    )
    {
        var job = running.Job;
        var maxTokens = asked.MaxTokens ?? ContextAssembly.DefaultTokens;
        switch (await turns.EnterAsync(job.TenantId, asked.Id!.Value, job.Lease.JobId, maxTokens, stop))
        {
            case TurnEntry.Waits(var other):
                return new(await WaitAsync(job, other, asked.Overlap == Overlaps.Interrupt, stop), null);
            case TurnEntry.Begins(var head, var history):
                var found = terms.Retrieve is { } query
                    ? await retrieval.ReadAsync(turn, query, running, ContextAssembly.Cap(ContextParts.Retrieved, maxTokens), stop)
                    : null;
                return Assemble(turn, head, history, found, maxTokens, answer);
            default:
                return new(
                    Refused("conversation_deleted", $"The conversation {asked.Id} was deleted before the job began. Begin another one."),
                    null
                );
        }
    }

    private static AfterTurn Assemble(
        ChatTurn turn,
        ConversationHead head,
        IReadOnlyList<PastMessage> history,
        LookedUp? found,
        int maxTokens,
        ChatAnswer answer
    )
    {
        var system = turn.Messages.TakeWhile(message => message.Role != ChatRole.User).ToList();
        var input = turn.Messages.Skip(system.Count).ToList();
        var context = ContextAssembly.Assemble(
            new ContextSources
            {
                MaxTokens = maxTokens,
                Head = head,
                System = Text(system),
                Retrieved = found?.Text,
                History = history,
                Input = Text(input),
            }
        );
        answer.Context = context.Report with { Passages = found?.Given };
        if (!context.Fits)
        {
            var needed = context.Report.Parts.Sum(part => part.Tokens);
            return new(
                Refused(
                    "context_too_large",
                    FormattableString.Invariant(
                        $"Instructions and input have about {needed} tokens, and conversation.max_tokens allows {maxTokens}. Shorten them, or raise it."
                    )
                ),
                null
            );
        }

        ChatMessage[] said = [.. context.History.Select(message => new ChatMessage(new ChatRole(message.Role), message.Content))];
        return new(
            null,
            turn with
            {
                Messages = [.. context.Instructions.Select(text => new ChatMessage(ChatRole.System, text)), .. said, .. input],
                History = said,
                Sources =
                [
                    .. context.History.Where(message => CitedSource.IsQuotable(message.Role)).Select(message => message.Content),
                    .. turn.Sources,
                    .. found?.Passages ?? [],
                ],
            }
        );
    }

    /// <summary>Waits without a slot, and without having used up a try.</summary>
    private async Task<AttemptEnd> WaitAsync(ClaimedJob job, Guid other, bool interrupts, CancellationToken stop)
    {
        if (job.Attempt >= RetryPolicy.MostAttempts)
        {
            return Refused(
                "conversation_busy",
                "Other jobs of the conversation came first too often. Submit the job again when they have ended."
            );
        }

        // One that came later has the turn because this one was not to begin yet.
        if (interrupts && other.CompareTo(job.Lease.JobId) < 0)
        {
            // The Api did it already, unless it died in between.
            await cancel.RunAsync(job.TenantId, other, stop);
        }

        return AttemptEnd.WaitsForProvider(
            new(
                "conversation_busy",
                "transient",
                "Another job of the conversation comes first; this one begins when it has ended.",
                Retryable: true
            ),
            $"{WaitingReasons.Conversation}:{other}",
            WaitFor
        );
    }

    private static AttemptEnd Refused(string code, string message) =>
        AttemptEnd.FailedForGood(new(code, "caller_error", message, Retryable: false));

    private static string Text(IEnumerable<ChatMessage> messages) => string.Join('\n', messages.Select(message => message.Text));
}
