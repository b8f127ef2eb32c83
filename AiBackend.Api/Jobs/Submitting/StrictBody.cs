using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>Reads bodies other than a submit's: as strictly, and with the diagnosis first, because they are few.</summary>
internal static class StrictBody
{
    /// <param name="body">The body.</param>
    /// <param name="type">Its contract.</param>
    /// <param name="input">Contract of its member <c>input</c>; null when it has none.</param>
    /// <param name="value">What it says, when it is not refused.</param>
    /// <returns>Why it is refused, or null.</returns>
    public static Refusal? TryRead<T>(ReadOnlySpan<byte> body, JsonTypeInfo<T> type, JsonTypeInfo? input, out T value)
        where T : class
    {
        value = null!;
        if (BodyDiagnosis.Find(body, type, input) is { } fault)
        {
            return fault;
        }

        // Not null: the diagnosis wants an object.
        value = JsonSerializer.Deserialize(body, type)!;
        return null;
    }

    /// <summary>Reads the whole body of a request.</summary>
    /// <returns>Why it is refused, or null, and what it says when it is not.</returns>
    public static async Task<(Refusal? Refusal, T Value)> ReadAsync<T>(HttpRequest request, JsonTypeInfo<T> type)
        where T : class
    {
        using var body = await RequestBody.ReadAsync(request);
        var refusal = TryRead(body.Bytes.Span, type, null, out var value);
        return (refusal, value);
    }
}
