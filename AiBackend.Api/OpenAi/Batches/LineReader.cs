using AiBackend.Core.Files;

namespace AiBackend.Api.OpenAi.Batches;

/// <summary>Reads a file line by line from any place on, with one line and one piece in memory.</summary>
internal sealed class LineReader(FileStore store, StoredFile file, long start, int longest) : IDisposable
{
    private readonly MemoryStream _line = new();

    /// <summary>The first byte of the line that comes next.</summary>
    public long Position { get; private set; } = start;

    /// <summary>Each line without its end, and where it begins; null bytes is a line that is too long, and the last that is read.</summary>
    public async IAsyncEnumerable<(ReadOnlyMemory<byte>? Bytes, long Start)> ReadAsync(
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken
    )
    {
        var skip = (int)(Position % FileStore.ChunkBytes);
        await foreach (var piece in store.ReadAsync(file, (int)(Position / FileStore.ChunkBytes), cancellationToken))
        {
            var rest = piece[skip..];
            skip = 0;
            int end;
            while ((end = rest.Span.IndexOf((byte)'\n')) >= 0)
            {
                if (_line.Length + end > longest)
                {
                    yield return (null, Position);
                    yield break;
                }

                var line = Take(rest[..end]);
                var began = Position;
                Position += line.Length + 1;
                yield return (line, began);
                rest = rest[(end + 1)..];
            }

            if (_line.Length + rest.Length > longest)
            {
                yield return (null, Position);
                yield break;
            }

            _line.Write(rest.Span);
        }

        if (_line.Length > 0)
        {
            var last = Take(default);
            var began = Position;
            Position += last.Length;
            yield return (last, began);
        }
    }

    public void Dispose() => _line.Dispose();

    private ReadOnlyMemory<byte> Take(ReadOnlyMemory<byte> end)
    {
        _line.Write(end.Span);
        var whole = _line.ToArray();
        _line.SetLength(0);
        return whole;
    }
}
