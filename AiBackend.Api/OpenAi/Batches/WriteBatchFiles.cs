using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using AiBackend.Core.Batches;
using AiBackend.Core.Files;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.OpenAi.Batches;

/// <summary>Writes what became of a batch's lines: answers into one file, everything else into another.</summary>
/// <remarks>Whoever is interrupted begins anew: the files of before are known by the batch, and nobody has seen them.</remarks>
internal sealed class WriteBatchFiles(BatchSteps steps, FileStore files, LineAnswers answers, JobIds ids)
{
    private const int LinesAtOnce = 50;
    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public async Task RunAsync(Batch batch, CancellationToken cancellationToken)
    {
        var (output, error) = (ids.Next(), ids.Next());
        if (!await steps.FinalizeAsync(batch, output, error, cancellationToken))
        {
            return;
        }

        await DeleteAsync(batch, batch.OutputFileId, cancellationToken);
        await DeleteAsync(batch, batch.ErrorFileId, cancellationToken);
        using var answered = await BeginAsync(batch, output, "output", cancellationToken);
        using var missed = await BeginAsync(batch, error, "error", cancellationToken);
        if (answered is null || missed is null)
        {
            // Its tenant is being deleted, and the batch with it.
            return;
        }

        for (var after = 0; ; )
        {
            // Whoever took over begins anew, and deletes what is written here.
            if (!await steps.KeepAsync(batch, cancellationToken))
            {
                return;
            }

            var lines = await steps.LinesAsync(batch, state: null, after, LinesAtOnce, cancellationToken);
            if (lines.Count == 0)
            {
                break;
            }

            foreach (var (isAnswer, said) in await answers.OfAsync(batch, lines, cancellationToken))
            {
                await (isAnswer ? answered : missed).WriteAsync(
                    Encoding.UTF8.GetBytes(said.ToJsonString(Readable) + "\n"),
                    cancellationToken
                );
            }

            after = lines[^1].Line;
        }

        await steps.EndAsync(
            batch,
            await EndAsync(answered, batch, "output", cancellationToken),
            await EndAsync(missed, batch, "error", cancellationToken),
            cancellationToken
        );
    }

    private async Task<FileWriter?> BeginAsync(Batch batch, Guid id, string what, CancellationToken cancellationToken) =>
        await files.BeginAsync(id, batch.TenantId, FilePurposes.BatchOutput, NameOf(batch, what), cancellationToken) is { } file
            // Answers that were paid for are kept, whatever room the tenant's uploads have left.
            ? new FileWriter(files, file, isBounded: false)
            : null;

    /// <returns>The id of a file with something in it; else null, and the file is gone.</returns>
    private async Task<Guid?> EndAsync(FileWriter writer, Batch batch, string what, CancellationToken cancellationToken)
    {
        if (writer.Length == 0)
        {
            await files.DeleteAsync(batch.TenantId, writer.File.Id, cancellationToken);
            return null;
        }

        await writer.EndAsync(cancellationToken);
        var name = NameOf(batch, what);
        await files.FinishAsync(writer.File, FilePurposes.BatchOutput, name, writer.Describe(name), null, cancellationToken);
        return writer.File.Id;
    }

    private static string NameOf(Batch batch, string what) => $"{BatchIds.Of(batch.Id)}_{what}.jsonl";

    private async Task DeleteAsync(Batch batch, Guid? id, CancellationToken cancellationToken)
    {
        if (id is { } before)
        {
            await files.DeleteAsync(batch.TenantId, before, cancellationToken);
        }
    }
}
