using AiBackend.Api.Files;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Files;
using AiBackend.Core.Jobs;
using Microsoft.Extensions.Options;
using static System.FormattableString;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>Looks up the files that a new job is given. Only for jobs with files: others pay nothing for it.</summary>
/// <remarks>From now on the files stay until the job has ended (0056_job_files.sql).</remarks>
internal sealed class PinFiles(FileStore files, IOptions<FilesOptions> options)
{
    private const int BytesPerToken = 4;

    // What providers count for a picture of usual size, and what is text of a PDF that has no pictures.
    private const int TokensPerImage = 1500;
    private const int PdfBytesPerTextByte = 10;

    /// <summary>A file that is another tenant's, or has expired, is not found.</summary>
    public async ValueTask<(Refusal? Refusal, JobDraft Draft)> PinAsync(JobDraft draft, CancellationToken cancellationToken)
    {
        if (draft.InputVersion < JobSchema.Files)
        {
            return (null, draft);
        }

        var terms = JobTerms.Read(draft.Terms);
        var pinned = new List<JobFile>();
        foreach (var (asked, i) in (terms.Attachments ?? []).Select((file, i) => (file, i)))
        {
            var file = await FindAsync(draft, asked, cancellationToken);
            var place = draft.Files?.PlaceOf(asked.File) ?? (asked.InMessages > 0 ? "messages" : Invariant($"attachments[{i}].file"));
            if (RefuseOne(file, asked.File, place) is { } refusal)
            {
                return (refusal, draft);
            }

            pinned.Add(file!);
        }

        if (RefuseAll(pinned) is { } tooLarge)
        {
            return (tooLarge, draft);
        }

        var whole = terms with
        {
            Attachments = pinned.Count > 0 ? pinned : null,
            Artifact = terms.Artifact is { } artifact ? artifact with { KeptForSeconds = (int)options.Value.KeptFor.TotalSeconds } : null,
        };
        return (
            null,
            draft with
            {
                Terms = whole.ToColumn(),
                ExpectedTokens = (int)Math.Min(int.MaxValue, draft.ExpectedTokens + pinned.Sum(TokensOf)),
            }
        );
    }

    private async ValueTask<JobFile?> FindAsync(JobDraft draft, JobFile asked, CancellationToken cancellationToken)
    {
        if (draft.Files?.All.FirstOrDefault(sent => sent.Id == asked.File) is { } sent)
        {
            return asked with { Name = sent.Name, MediaType = KeepSentFiles.TypeOf(sent), Bytes = sent.Bytes.Length };
        }

        return await files.FindAsync(draft.TenantId, asked.File, cancellationToken) is { } file
            ? asked with
            {
                Name = file.Name,
                MediaType = file.MediaType,
                Bytes = file.Bytes,
            }
            : null;
    }

    private static Refusal? RefuseOne(JobFile? file, Guid asked, string place) =>
        file is null
            ? ProblemTypes.UnknownAttachment.At(
                place,
                $"{place} is {asked}, and the tenant has no such file. Check that it has not expired, or upload it with POST /api/v1/files."
            )
        : !MediaTypes.IsAttachable(file.MediaType)
            ? ProblemTypes.FileNotAttachable.At(
                place,
                $"{place} is {asked} ({Quoted.Of(file.Name)}), which is {file.MediaType} by its bytes. Models are given text in UTF-8, JSON, PDF, and PNG, JPEG, GIF or WebP pictures of at most 40 megapixels."
            )
        : null;

    private Refusal? RefuseAll(List<JobFile> pinned)
    {
        var (bytes, text) = (pinned.Sum(Given), pinned.Where(file => MediaTypes.IsText(file.MediaType)).Sum(Given));
        return bytes > options.Value.MaxAttachedBytes
                ? TooLarge(Invariant($"attachments have {bytes} bytes together; at most {options.Value.MaxAttachedBytes} are allowed"))
            : text > options.Value.MaxAttachedText
                ? TooLarge(
                    Invariant($"attachments have {text} bytes of text together; at most {options.Value.MaxAttachedText} are allowed")
                )
            : null;
    }

    private static Refusal TooLarge(string fault) =>
        ProblemTypes.AttachmentsTooLarge.At("attachments", $"{fault}. Attach fewer files, or parts of them.");

    // As often as it is told, whatever it takes to store.
    private static long Given(JobFile file) => file.Bytes * Math.Max(1, file.InMessages);

    private long TokensOf(JobFile file) => Math.Max(1, file.InMessages) * TokensOnce(file);

    private long TokensOnce(JobFile file) =>
        MediaTypes.IsImage(file.MediaType) ? TokensPerImage
        : file.MediaType == MediaTypes.Pdf ? Math.Min(file.Bytes / PdfBytesPerTextByte, options.Value.MaxAttachedText) / BytesPerToken
        : file.Bytes / BytesPerToken;
}
