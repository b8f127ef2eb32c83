using System.Buffers;
using AiBackend.Api.Auth;

namespace AiBackend.Api.Wire;

/// <summary>A request's whole body in one piece of pooled memory; dispose to give it back.</summary>
/// <remarks>
/// How large it may be is Kestrel's limit, which ends the read with a <see cref="BadHttpRequestException"/>; so does a key that ended meanwhile,
/// since a body may take an hour.
/// </remarks>
internal readonly struct RequestBody : IDisposable
{
    private readonly byte[] _rented;
    private readonly int _length;

    private RequestBody(byte[] rented, int length)
    {
        _rented = rented;
        _length = length;
    }

    public ReadOnlyMemory<byte> Bytes => _rented.AsMemory(0, _length);

    public static async ValueTask<RequestBody> ReadAsync(HttpRequest request)
    {
        const int FirstGuess = 4096;
        // The announced length sizes the buffer, up to a point: a caller must earn a large one by sending the bytes.
        var rented = ArrayPool<byte>.Shared.Rent((int)Math.Clamp(request.ContentLength ?? FirstGuess, 16, 64 * 1024));
        var length = 0;
        try
        {
            while (true)
            {
                // None: asking for RequestAborted makes Kestrel allocate a source for every request, and a lost connection
                // ends the read by itself.
                var read = await request.BodyReader.ReadAsync(CancellationToken.None);
                foreach (var segment in read.Buffer)
                {
                    if (length + segment.Length > rented.Length)
                    {
                        rented = Grow(rented, length, length + segment.Length);
                    }

                    segment.Span.CopyTo(rented.AsSpan(length));
                    length += segment.Length;
                }

                // Consumed at once: holding on to what was read would stop Kestrel from reading more.
                request.BodyReader.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                {
                    await KeyAgain.CheckAsync(request.HttpContext);
                    return new RequestBody(rented, length);
                }
            }
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(rented);
            throw;
        }
    }

    public void Dispose() => ArrayPool<byte>.Shared.Return(_rented);

    private static byte[] Grow(byte[] rented, int length, int atLeast)
    {
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(atLeast, rented.Length * 2));
        rented.AsSpan(0, length).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(rented);
        return larger;
    }
}
