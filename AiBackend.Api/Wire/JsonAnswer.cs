using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace AiBackend.Api.Wire;

/// <summary>Writes JSON answers whose length is known before the first byte is sent, without a buffer per request.</summary>
internal static class JsonAnswer
{
    private const int LargestKept = 64 * 1024;

    // Answers are never pasted into a page (nosniff, application/json), so quotes and other alphabets stay readable.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    [ThreadStatic]
    private static ArrayBufferWriter<byte>? _buffer;

    [ThreadStatic]
    private static Utf8JsonWriter? _writer;

    /// <summary>Sends a value; everything up to the copy into the response happens on this thread.</summary>
    public static Task WriteAsync<T>(
        HttpContext context,
        int status,
        T value,
        JsonTypeInfo<T> type,
        string contentType = "application/json; charset=utf-8"
    )
    {
        var buffer = _buffer ??= new ArrayBufferWriter<byte>(1024);
        var writer = _writer ??= new Utf8JsonWriter(buffer, Options);
        buffer.ResetWrittenCount();
        writer.Reset(buffer);
        JsonSerializer.Serialize(writer, value, type);
#pragma warning disable MA0042 // Into memory: there is nothing to wait for.
        writer.Flush();
#pragma warning restore MA0042

        var response = context.Response;
        response.StatusCode = status;
        response.ContentType = contentType;
        response.ContentLength = buffer.WrittenCount;
        response.BodyWriter.Write(buffer.WrittenSpan);
        if (buffer.Capacity > LargestKept)
        {
            (_buffer, _writer) = (null, null);
        }

        return FlushAsync(context);
    }

    private static Task FlushAsync(HttpContext context)
    {
        // None: asking for RequestAborted makes Kestrel allocate a source for every request, and a lost connection ends the
        // write by itself.
        var flush = context.Response.BodyWriter.FlushAsync(CancellationToken.None);
        return flush.IsCompletedSuccessfully ? Task.CompletedTask : flush.AsTask();
    }
}
