namespace AiBackend.Core.Files;

/// <summary>Reads parts of a file that stand one behind the other, each piece of the file once.</summary>
/// <param name="store">Where from.</param>
/// <param name="file">The file.</param>
public sealed class FileParts(FileStore store, StoredFile file)
{
    private (int N, ReadOnlyMemory<byte> Content) _piece = (-1, default);

    /// <returns>The bytes from <paramref name="start"/> on.</returns>
    public async ValueTask<ReadOnlyMemory<byte>> ReadAsync(long start, int length, CancellationToken cancellationToken)
    {
        var part = new byte[length];
        for (var done = 0; done < length; )
        {
            var n = (int)((start + done) / FileStore.ChunkBytes);
            if (_piece.N != n)
            {
                await foreach (var content in store.ReadAsync(file, n, cancellationToken))
                {
                    _piece = (n, content);
                    break;
                }
            }

            var offset = (int)((start + done) % FileStore.ChunkBytes);
            var count = Math.Min(length - done, _piece.Content.Length - offset);
            _piece.Content.Slice(offset, count).CopyTo(part.AsMemory(done));
            done += count;
        }

        return part;
    }
}
