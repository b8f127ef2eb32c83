using AiBackend.Api.OpenAi.Wire;
using AiBackend.Api.Problems;
using AiBackend.Core.Files;
using AiBackend.Core.Files.Sniffing;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.Files;

/// <summary>Files that came inside a request: what they are, and stored once however often they are sent.</summary>
internal sealed class KeepSentFiles(FileStore store)
{
    /// <summary>What it is by its bytes, one of <see cref="MediaTypes"/>.</summary>
    public static string TypeOf(SentFile file)
    {
        var sniffer = new ContentSniffer();
        sniffer.Add(file.Bytes);
        return sniffer.TypeOf(file.Name);
    }

    /// <summary>Stores what the draft brings along, and gives its memory back.</summary>
    public async ValueTask<Refusal?> RunAsync(JobDraft draft, CancellationToken cancellationToken)
    {
        foreach (var file in draft.Files?.All ?? [])
        {
            var content = new FileContent(System.Security.Cryptography.SHA256.HashData(file.Bytes), TypeOf(file));
            switch (await store.KeepAsync(draft.TenantId, file.Id, file.Name, content, file.Bytes, cancellationToken))
            {
                case null:
                    return OpenAiErrors.Deleted;
                case false:
                    return FullFiles.Refusal;
            }
        }

        draft.Files?.Dispose();
        return null;
    }
}
