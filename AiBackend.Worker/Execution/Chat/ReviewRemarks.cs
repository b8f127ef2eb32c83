using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Waits;
using Microsoft.Extensions.AI;

namespace AiBackend.Worker.Execution.Chat;

/// <summary>What reviewers said about earlier answers of a job, for the model that answers again.</summary>
internal sealed class ReviewRemarks(WaitReads waits)
{
    /// <returns>The turn, followed by each answer that was sent back with a comment, and the comment.</returns>
    public async Task<ChatTurn> AddToAsync(ChatTurn turn, ClaimedJob job, CancellationToken cancellationToken)
    {
        var remarks = new List<ChatMessage>();
        foreach (var wait in await waits.ListAsync(job.TenantId, job.Lease.JobId, cancellationToken))
        {
            if (
                wait is { Kind: WaitKind.Review, Answer: WaitAnswer.Continued, Proposal: { Length: > 0 } proposal }
                && ReviewWords.Read(wait.AnswerData).Comment is { Length: > 0 } comment
            )
            {
                remarks.Add(new(ChatRole.Assistant, proposal));
                remarks.Add(new(ChatRole.User, $"A reviewer sent this answer back: {comment}\nAnswer again, in full."));
            }
        }

        return remarks.Count == 0 ? turn : turn with { Messages = [.. turn.Messages, .. remarks] };
    }
}
