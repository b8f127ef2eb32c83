using AiBackend.Core.Files;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.Files;

/// <summary>Stores files that came inside a request, of which each is stored once however often it is sent.</summary>
internal sealed class KeepSentFiles(FileStore store)
{
    /// <returns>False when the tenant's files would take more than they may, or it is being deleted.</returns>
    public async Task<bool> RunAsync(Guid tenantId, SentFiles sent, CancellationToken cancellationToken)
    {
        foreach (var file in sent.All)
        {
            if (!await KeepAsync(tenantId, file, cancellationToken))
            {
                return false;
            }
        }

        sent.Dispose();
        return true;
    }

    private async Task<bool> KeepAsync(Guid tenantId, SentFile sent, CancellationToken cancellationToken)
    {
        var file = await store.BeginKnownAsync(sent.Id, tenantId, FilePurposes.Attachment, sent.Name, cancellationToken);
        if (file is null or { Sha256: not null })
        {
            return file is not null;
        }

        using var writer = new FileWriter(store, file);
        if (await writer.WriteAsync(sent.Bytes, cancellationToken) && (await writer.EndAsync(cancellationToken)).HasRoom)
        {
            await store.FinishAsync(file, file.Purpose, file.Name, writer.Describe(file.Name), keptFor: null, cancellationToken);
        }

        // Another request may write the same: whoever comes second finds it finished at any moment, and then nothing is written.
        if (await store.FindAsync(tenantId, sent.Id, cancellationToken) is not null)
        {
            return true;
        }

        await store.AbandonAsync(file, cancellationToken);
        return false;
    }
}
