using AiBackend.Core.Batches;
using AiBackend.Core.Files;
using AiBackend.ServiceDefaults.Hosting;
using static System.FormattableString;

namespace AiBackend.Api.OpenAi.Batches;

/// <summary>Turns the file of a batch into lines, some at a time; the first that is none fails the batch, with its number.</summary>
internal sealed class ReadBatchFile(BatchSteps steps, FileStore files)
{
    /// <summary>As many as OpenAI takes.</summary>
    public const int MostLines = 50_000;

    /// <summary>As long as the body of a request without files, and what stands around it.</summary>
    public const int LongestLine = KestrelLimits.MaxBodyBytes + 1024;

    private const int LinesAtOnce = 2000;
    private const int MostFaults = 20;

    public async Task RunAsync(Batch batch, CancellationToken cancellationToken)
    {
        if (await files.FindAsync(batch.TenantId, batch.InputFileId, cancellationToken, evenExpired: true) is not { } file)
        {
            await FailAsync(batch, [new("file_not_found", "The input file is gone.")], cancellationToken);
            return;
        }

        var piece = new Piece(batch);
        using var reader = new LineReader(files, file, batch.ReadTo, LongestLine);
        await foreach (var (bytes, start) in reader.ReadAsync(cancellationToken))
        {
            piece.Add(bytes, start, reader.Position);
            if (bytes is null || piece.Lines.Count == LinesAtOnce || piece.Faults.Count == MostFaults)
            {
                break;
            }
        }

        var isLast = reader.Position >= file.Bytes;
        piece.NoteTwins(await steps.FindIdsAsync(batch, [.. piece.Lines.Select(line => line.CustomId)], cancellationToken));
        if (isLast && batch.Lines + piece.Lines.Count == 0 && piece.Faults.Count == 0)
        {
            piece.Faults.Add(new("empty_file", "The file has no lines."));
        }

        await (
            piece.Faults.Count > 0
                ? FailAsync(batch, piece.Faults, cancellationToken)
                : steps.AddLinesAsync(batch, piece.Lines, isLast ? file.Bytes : piece.End, isLast, cancellationToken)
        );
    }

    private Task FailAsync(Batch batch, IEnumerable<BatchFault> faults, CancellationToken cancellationToken) =>
        steps.FailAsync(batch, BatchFault.ToJson(faults.OrderBy(fault => fault.Line)), cancellationToken);

    private sealed class Piece(Batch batch)
    {
        private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);
        private int _number = batch.Lines;
        private int? _empty;

        public List<BatchLine> Lines { get; } = [];
        public List<BatchFault> Faults { get; } = [];

        /// <summary>Where the last line ends: empty ones behind it may be the end of the file.</summary>
        public long End { get; private set; } = batch.ReadTo;

        public void Add(ReadOnlyMemory<byte>? bytes, long start, long end)
        {
            _number++;
            if (bytes is not { } line)
            {
                Faults.Add(new("line_too_long", Invariant($"Line {_number} has more than {LongestLine} bytes."), _number));
            }
            else if (line.Span.Trim(" \t\r"u8).IsEmpty)
            {
                _empty ??= _number;
            }
            else if (_empty is { } empty)
            {
                Faults.Add(new("invalid_json_line", Invariant($"Line {empty} is empty."), empty));
                _empty = null;
            }
            else if (_number > MostLines)
            {
                Faults.Add(new("too_many_lines", Invariant($"The file has more than {MostLines} lines. Send several batches."), _number));
            }
            else if (LineShape.Check(line, _number, batch.Endpoint, out var id) is { } fault)
            {
                Faults.Add(fault);
            }
            else if (!_ids.TryAdd(id, _number))
            {
                Faults.Add(Twin(id, _number, _ids[id]));
            }
            else
            {
                Lines.Add(new BatchLine(_number, id, start, line.Length));
                End = end;
            }
        }

        public void NoteTwins(IReadOnlyDictionary<string, int> earlier) =>
            Faults.AddRange(earlier.Select(each => Twin(each.Key, _ids[each.Key], each.Value)));

        private static BatchFault Twin(string id, int line, int other) =>
            new(
                "duplicate_custom_id",
                Invariant($"Line {line} has the custom_id {Problems.Quoted.Of(id)} of line {other}."),
                line,
                "custom_id"
            );
    }
}
