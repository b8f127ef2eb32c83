using AiBackend.Api.Problems;
using AiBackend.Core.Conversations;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using Microsoft.Extensions.Options;

namespace AiBackend.Api.Conversations;

/// <summary>What a new job has to do with other jobs of its conversation. Only for jobs that continue one: others pay nothing for it.</summary>
internal sealed class OpenTurns(
    ConversationStore conversations,
    ConversationTurns turns,
    CancelJob cancel,
    IOptions<ConversationOptions> options
)
{
    /// <returns>Why a new job may not continue its conversation now, or null.</returns>
    /// <remarks>Whether another job is open is asked again when it is stored; here those are told so whose other checks would take room.</remarks>
    public async ValueTask<Refusal?> RefuseAsync(JobDraft draft, CancellationToken cancellationToken)
    {
        if (draft.ConversationId is not { } id)
        {
            return null;
        }

        return await conversations.FindStateAsync(draft.TenantId, id, cancellationToken) switch
        {
            null => ProblemTypes.ConversationNotFound.At(
                "conversation.id",
                $"conversation.id is {id}, and there is no such conversation. POST /api/v1/conversations makes one."
            ),
            { OpenJob: { } open } when draft.IsRefusedWhenOthersAreOpen => Busy(id, open),
            { LastSeq: var last } when last >= options.Value.MaxMessages => Full(id, options.Value.MaxMessages),
            _ => null,
        };
    }

    /// <summary>Cancels the jobs that an accepted one interrupts.</summary>
    public async ValueTask InterruptAsync(JobDraft draft)
    {
        if (
            draft.ConversationId is not { } id
            || JobTerms.Read(draft.Terms).Conversation is not { Overlap: ApiContracts.Conversations.Overlaps.Interrupt }
        )
        {
            return;
        }

        try
        {
            // None: the job is accepted, whether its caller leaves or not; the limit of every statement bounds it.
            foreach (var other in await turns.FindOpenAsync(draft.TenantId, id, draft.Id, CancellationToken.None))
            {
                await cancel.RunAsync(draft.TenantId, other, CancellationToken.None);
            }
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            // Safe: the worker that begins the job does the same.
        }
    }

    public static Refusal Busy(Guid conversation, Guid open) =>
        ProblemTypes.ConversationBusy.With(
            $"Job {open} of the conversation {conversation} has not ended. Wait for it, or send \"overlap\": \"enqueue\" to come after it or \"interrupt\" to cancel it."
        );

    public static Refusal Full(Guid conversation, int most) =>
        ProblemTypes.ConversationFull.With(
            FormattableString.Invariant(
                $"The conversation {conversation} would have more than {most} messages (Conversations__MaxMessages). Begin another one, or branch from one of its last messages."
            )
        );
}
