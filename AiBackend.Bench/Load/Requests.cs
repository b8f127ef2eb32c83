using System.Globalization;
using System.Text;

namespace AiBackend.Bench.Load;

/// <summary>Prepared requests.</summary>
internal static class Requests
{
    private const string KeyHeader = "Idempotency-Key: ";
    private static readonly byte[] KeyHeaderBytes = Encoding.ASCII.GetBytes(KeyHeader);

    /// <summary>The benchmark's small job: 200 characters of text, as in the peers' harness.</summary>
    public static string NoopBody { get; } = $$$"""{"type":"noop","input":{"padding":"{{{new string('x', 200)}}}"}}""";

    public static string ChatBody(string model) =>
        $$$"""{"type":"chat","model":"{{{model}}}","input":{"messages":[{"role":"user","content":"{{{new string('x', 200)}}}"}]}}""";

    /// <summary>POST with a key of its own, so that every request pays for deduplication.</summary>
    public static byte[] Post(Uri address, string path, string apiKey, string body) =>
        Encoding.ASCII.GetBytes(
            string.Create(
                CultureInfo.InvariantCulture,
                $"POST {path} HTTP/1.1\r\nHost: {address.Authority}\r\nAuthorization: Bearer {apiKey}\r\n{KeyHeader}{Guid.CreateVersion7():N}\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}"
            )
        );

    /// <summary>Gives a request made by <see cref="Post"/> another key, in place: a generator that allocates is stopped by its own collector.</summary>
    public static void Renew(byte[] request)
    {
        var key = request.AsSpan(request.AsSpan().IndexOf(KeyHeaderBytes) + KeyHeaderBytes.Length, 32);
        Guid.CreateVersion7().TryFormat(key, out _, "N");
    }
}
