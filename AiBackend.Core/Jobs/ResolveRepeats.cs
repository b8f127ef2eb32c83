namespace AiBackend.Core.Jobs;

/// <summary>What becomes of a submission whose idempotency key exists.</summary>
internal sealed class ResolveRepeats(IJobStore store)
{
    /// <summary>Answers submissions whose key exists: the job of then, a clash, or, when the key has expired, a new job.</summary>
    public async Task RunAsync(IReadOnlyList<PendingSubmission> repeats)
    {
        foreach (var repeat in repeats)
        {
            try
            {
                repeat.Complete(await ResolveAsync(repeat));
            }
            catch (Exception failure)
            {
                // Safe to go on: each repeat is its own caller.
                repeat.Fail(failure);
            }
        }
    }

    private async Task<SubmitOutcome> ResolveAsync(PendingSubmission repeat)
    {
        var draft = repeat.Draft;
        while (true)
        {
            // None: one caller that leaves must not end the batch it shares; the command timeout bounds it.
            if (await store.FindKeyAsync(draft.TenantId, draft.IdempotencyKey!, CancellationToken.None) is not { } earlier)
            {
                // The key expired and is gone, or was not looked at: this request is a new one.
                var result = await store.InsertAsync([draft]);
                if (result.Accepted.Contains(draft.Id))
                {
                    return new SubmitOutcome.Accepted(result.CreatedAt);
                }

                if (result.KeptOut.TryGetValue(draft.Id, out var open))
                {
                    return new SubmitOutcome.ConversationBusy(open);
                }
            }
            else if (earlier.JobId == draft.Id)
            {
                // Its own key: the batch was committed and only its reply was lost.
                return new SubmitOutcome.Accepted(await store.ReadCreatedAtAsync(draft.TenantId, draft.Id));
            }
            else if (!earlier.Expired)
            {
                return OutcomeFor(draft, earlier);
            }
            else
            {
                await store.ForgetKeyAsync(draft.TenantId, draft.IdempotencyKey!, earlier.JobId);
            }
        }
    }

    /// <returns>What a repeat of an earlier request is told; null when the key is new or has expired.</returns>
    public async Task<SubmitOutcome?> FindAsync(JobDraft draft, CancellationToken cancellationToken) =>
        await store.FindKeyAsync(draft.TenantId, draft.IdempotencyKey!, cancellationToken) is { Expired: false } earlier
            ? OutcomeFor(draft, earlier)
            : null;

    private static SubmitOutcome OutcomeFor(JobDraft draft, KeyUse earlier) =>
        earlier.Fingerprint.AsSpan().SequenceEqual(draft.Fingerprint)
            ? new SubmitOutcome.Replayed(earlier.JobId)
            : new SubmitOutcome.KeyReused(earlier.JobId);
}
