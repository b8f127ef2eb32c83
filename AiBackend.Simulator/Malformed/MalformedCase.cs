using System.Buffers;
using System.Text;

namespace AiBackend.Simulator.Malformed;

/// <summary>One way in which a provider's stream can be unusual or wrong.</summary>
/// <param name="Name">The value of the control <c>malformed</c>.</param>
/// <param name="Legal">True: a good client still delivers <see cref="WellFormed.Text"/>. False: it must report a failure.</param>
/// <param name="Help">What is odd about it.</param>
/// <param name="Pieces">The bytes; each piece is sent on its own.</param>
internal sealed record MalformedCase(string Name, bool Legal, string Help, Func<IEnumerable<byte[]>> Pieces)
{
    public string ContentType { get; init; } = "text/event-stream; charset=utf-8";

    public string? ContentEncoding { get; init; }

    public int Status { get; init; } = StatusCodes.Status200OK;

    /// <summary>Break the connection after the last piece, instead of ending the answer properly.</summary>
    public bool Cut { get; init; }

    public MalformedCase(string name, bool legal, string help, string body)
        : this(name, legal, help, () => [Encoding.UTF8.GetBytes(body)]) { }

    public async Task WriteAsync(HttpContext context)
    {
        context.Response.StatusCode = Status;
        context.Response.ContentType = ContentType;
        context.Response.Headers.ContentEncoding = ContentEncoding;
        await context.Response.StartAsync(context.RequestAborted);
        foreach (var piece in Pieces())
        {
            context.Response.BodyWriter.Write(piece);
            var flushed = await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
            if (flushed.IsCompleted)
            {
                return;
            }
        }

        if (Cut)
        {
            context.Abort();
        }
    }
}
