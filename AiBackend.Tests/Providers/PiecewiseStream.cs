namespace AiBackend.Tests.Providers;

/// <summary>Gives its bytes in pieces of the given sizes, over and over.</summary>
internal sealed class PiecewiseStream(byte[] bytes, IReadOnlyList<int> sizes) : ReadOnlyStream
{
    private int _at;
    private int _piece;

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var length = Math.Min(Math.Min(sizes[_piece++ % sizes.Count], bytes.Length - _at), buffer.Length);
        bytes.AsMemory(_at, length).CopyTo(buffer);
        _at += length;
        return new(length);
    }
}

/// <summary>A beginning, then the same again for ever; counts what was taken.</summary>
internal sealed class EndlessStream(byte[] beginning, byte[] again) : ReadOnlyStream
{
    public long Taken { get; private set; }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var span = buffer.Span;
        for (var i = 0; i < span.Length; i++, Taken++)
        {
            span[i] = Taken < beginning.Length ? beginning[Taken] : again[(Taken - beginning.Length) % again.Length];
        }

        return new(span.Length);
    }
}

internal abstract class ReadOnlyStream : Stream
{
    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;
    public override long Length => throw new NotSupportedException();
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush() { }
}
