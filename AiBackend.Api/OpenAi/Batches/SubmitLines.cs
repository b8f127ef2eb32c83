using System.Collections.Concurrent;
using System.Security.Claims;
using System.Text.Json;
using AiBackend.Api.Auth;
using AiBackend.Api.Auth.Limits;
using AiBackend.Api.Files;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.OpenAi.Wire;
using AiBackend.Api.Problems;
using AiBackend.Core.Batches;
using AiBackend.Core.Files;
using AiBackend.Core.Tenancy;

namespace AiBackend.Api.OpenAi.Batches;

/// <summary>Hands lines over as jobs, some at a time, through the same acceptance as every request.</summary>
internal sealed class SubmitLines(
    BatchSteps steps,
    FileStore files,
    ApiKeyStore keys,
    LineDrafts drafts,
    JobAcceptance acceptance,
    AttemptLimits attempts
)
{
    /// <summary>Jobs of one batch that have not ended: enough to keep workers busy, and few among those who wait.</summary>
    public const int MostOpen = 200;

    private const int AtOnce = 50;

    /// <summary>In one round, of lines that wait for their key's next guesses: other batches wait for the round's end.</summary>
    private const int MostPassedPages = 4;

    /// <summary>Batches of which it is known how far they were passed over.</summary>
    private const int MostKnown = 10_000;

    /// <summary>Of a file, in memory for one batch at once, unless one line alone is larger.</summary>
    private const int BytesAtOnce = 4 << 20;

    private static readonly Refusal NoKey = ProblemTypes.Unauthorized.With(
        "The API key of the batch is over, so this line was not submitted. Send it again with another one."
    );

    // Up to which line those of a batch that guess were passed over, so that they do not keep back the good ones behind them. Lost at a restart: they are
    // passed over again.
    private readonly ConcurrentDictionary<Guid, int> _passed = new();

    /// <param name="batch">Which.</param>
    /// <param name="submitted">Of its lines, those that are jobs and have not ended.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Whether there may be room for more at once.</returns>
    public async Task<bool> RunAsync(Batch batch, int submitted, CancellationToken cancellationToken)
    {
        for (var pages = MostPassedPages; pages > 0 && submitted < MostOpen; pages--)
        {
            var page = await SubmitPageAsync(
                batch,
                _passed.GetValueOrDefault(batch.Id),
                Math.Min(AtOnce, MostOpen - submitted),
                cancellationToken
            );
            if (page is null)
            {
                // At the next round it begins again with the first that waits.
                _passed.TryRemove(batch.Id, out _);
                return false;
            }

            if (page.Waits || page.PassedTo is not { } passed)
            {
                return !page.Waits;
            }

            if (_passed.Count >= MostKnown)
            {
                _passed.Clear();
            }

            _passed[batch.Id] = passed;
            submitted += page.Submitted;
        }

        return false;
    }

    /// <returns>Null when no line waits behind that one.</returns>
    private async Task<Page?> SubmitPageAsync(Batch batch, int after, int limit, CancellationToken cancellationToken)
    {
        var lines = Fitting(await steps.LinesAsync(batch, LineState.Waiting, after, limit, cancellationToken));
        if (lines.Count == 0)
        {
            return null;
        }

        var caller = await keys.FindByIdAsync(batch.KeyId, cancellationToken);
        var file = caller is null ? null : await files.FindAsync(batch.TenantId, batch.InputFileId, cancellationToken, evenExpired: true);
        if (caller is null || file is null)
        {
            var why = caller is null ? NoKey : FoundFile.Unknown(Files.FileIds.Of(batch.InputFileId));
            await NoteRefusedAsync(batch, [.. lines.Select(line => Refused(line, why))], cancellationToken);
            return new Page(0, Waits: false, PassedTo: null);
        }

        var bodies = new List<ReadOnlyMemory<byte>>(lines.Count);
        var pieces = new FileParts(files, file);
        foreach (var line in lines)
        {
            bodies.Add(LineShape.BodyOf(await pieces.ReadAsync(line.Start, line.Length, cancellationToken)));
        }

        var ends = await Task.WhenAll(lines.Select((line, i) => SubmitAsync(batch, line, bodies[i], caller, cancellationToken)));
        await steps.NoteSubmittedAsync(
            batch,
            [.. ends.Where(end => end.JobId is not null).Select(end => (end.Line.Line, end.JobId!.Value))],
            cancellationToken
        );
        await NoteRefusedAsync(
            batch,
            [.. ends.Where(end => end.Why is not null).Select(end => Refused(end.Line, end.Why!))],
            cancellationToken
        );
        return new Page(
            ends.Count(end => end.JobId is not null),
            Waits: ends.Any(end => end is { JobId: null, Why: null, Guesses: false }),
            PassedTo: ends.Any(end => end.Guesses) ? lines[^1].Line : null
        );
    }

    private static List<BatchLine> Fitting(IReadOnlyList<BatchLine> lines)
    {
        var bytes = 0;
        return [.. lines.TakeWhile((line, i) => (bytes += line.Length) <= BytesAtOnce || i == 0)];
    }

    private Task NoteRefusedAsync(
        Batch batch,
        IReadOnlyList<(int Line, int Status, string Error)> lines,
        CancellationToken cancellationToken
    ) => steps.NoteRefusedAsync(batch, LineDrafts.KeyOf(batch, BatchSteps.AnyLine), lines, cancellationToken);

    /// <returns>Its job, or why there is none; neither when it is to wait.</returns>
    private async Task<LineEnd> SubmitAsync(
        Batch batch,
        BatchLine line,
        ReadOnlyMemory<byte> body,
        Caller caller,
        CancellationToken cancellationToken
    )
    {
        var (refusal, draft) = await drafts.ReadAsync(batch, line, body, caller, cancellationToken);
        if (refusal is not null)
        {
            return Refuse(refusal);
        }

        // Acceptance tells an answer what is left of the key's limits; nobody reads this one.
        var context = new DefaultHttpContext { User = new ClaimsPrincipal(new CallerIdentity(caller)) };
        context.Request.Path = BatchRequests.Address;
        return await acceptance.AcceptAsync(context, draft) switch
        {
            Acceptance.New(var accepted, _) => new LineEnd(line, accepted.Id, null),
            Acceptance.Repeat(var jobId) => new LineEnd(line, jobId, null),
            // Limits and full queues are for later; the line waits for as long as the window.
            Acceptance.Refused({ Type.Status: 429 or 503 }) => new LineEnd(line, null, null),
            Acceptance.Refused(var why) => Refuse(why),
            var other => throw new System.Diagnostics.UnreachableException($"{other}"),
        };

        // Or a file would be as many guesses as it has lines: what its key asks for and does not have counts as elsewhere, and the line waits for its turn.
        LineEnd Refuse(Refusal why) =>
            UnknownObjects.IsUnknown(why) && attempts.CountUnknown(caller.KeyId) is not null
                ? new LineEnd(line, null, null) { Guesses = true }
                : new LineEnd(line, null, why);
    }

    private static (int Line, int Status, string Error) Refused(BatchLine line, Refusal why)
    {
        var failure = OpenAiErrors.Of(why);
        return (
            line.Line,
            failure.Status,
            JsonSerializer.Serialize(new OpenAiErrorBody(failure.Error), OpenAiJson.Default.OpenAiErrorBody)
        );
    }

    private sealed record LineEnd(BatchLine Line, Guid? JobId, Refusal? Why)
    {
        /// <summary>It waits because of what it names, and not because of what others have left.</summary>
        public bool Guesses { get; init; }
    }

    /// <summary>How some lines ended.</summary>
    /// <param name="Submitted">How many are jobs.</param>
    /// <param name="Waits">Some wait for limits or full queues, and so would those behind them.</param>
    /// <param name="PassedTo">The last of them, when some wait because they guess; null when none does.</param>
    private sealed record Page(int Submitted, bool Waits, int? PassedTo);
}
