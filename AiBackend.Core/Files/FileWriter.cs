using System.Security.Cryptography;
using AiBackend.Core.Faults;
using AiBackend.Core.Files.Sniffing;

namespace AiBackend.Core.Files;

/// <summary>Writes a file piece by piece, with one piece in memory.</summary>
/// <param name="store">Where to.</param>
/// <param name="file">Begun and not finished.</param>
/// <param name="isBounded">Whether it may only take what room the tenant has left.</param>
public sealed class FileWriter(FileStore store, StoredFile file, bool isBounded = true) : IDisposable
{
    private readonly byte[] _chunk = new byte[FileStore.ChunkBytes];
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly ContentSniffer _sniffer = new();
    private byte[] _sha256 = [];
    private int _filled;
    private int _chunks;

    /// <summary>What is written.</summary>
    public StoredFile File => file;

    /// <summary>Bytes so far.</summary>
    public long Length => ((long)_chunks * FileStore.ChunkBytes) + _filled;

    /// <returns>False when the tenant's files would take more than they may.</returns>
    public async ValueTask<bool> WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        _hash.AppendData(bytes.Span);
        while (!bytes.IsEmpty)
        {
            var part = bytes[..Math.Min(bytes.Length, _chunk.Length - _filled)];
            part.CopyTo(_chunk.AsMemory(_filled));
            _filled += part.Length;
            bytes = bytes[part.Length..];
            if (_filled == _chunk.Length && !await FlushAsync(cancellationToken))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Writes what is left.</summary>
    /// <returns>False when the tenant's files would take more than they may; else the SHA-256 of the whole.</returns>
    public async ValueTask<(bool HasRoom, byte[] Hash)> EndAsync(CancellationToken cancellationToken)
    {
        var hasRoom = _filled == 0 || await FlushAsync(cancellationToken);
        return (hasRoom, _sha256 = _hash.GetHashAndReset());
    }

    /// <summary>What it turned out to be, once it has ended.</summary>
    /// <param name="name">What its sender calls it.</param>
    public FileContent Describe(string name) => new(_sha256, _sniffer.TypeOf(name));

    /// <inheritdoc />
    public void Dispose() => _hash.Dispose();

    private async ValueTask<bool> FlushAsync(CancellationToken cancellationToken)
    {
        // By piece: of what comes in small parts, what is unfinished would be looked at again and again.
        _sniffer.Add(_chunk.AsSpan(0, _filled));
        var hasRoom = await store.AppendAsync(file, _chunks, _chunk.AsMemory(0, _filled), isBounded, cancellationToken);
        FaultPoints.Hit(FaultPoint.K31);
        (_filled, _chunks) = (0, _chunks + 1);
        return hasRoom;
    }
}
