using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.Unicode;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>Reads a submit body, strictly. Only a body that is refused is looked at twice: the second look says why.</summary>
internal static class JobRequestJson
{
    private static ReadOnlySpan<byte> EscapedNul => "\\u0000"u8;

    private static ReadOnlySpan<byte> EscapedSurrogate => "\\ud"u8;

    private static ReadOnlySpan<byte> UpperEscapedSurrogate => "\\uD"u8;

    /// <returns>Why the body is refused, or null; then <paramref name="request"/> is set.</returns>
    public static Refusal? TryRead(ReadOnlySpan<byte> body, out SubmitJobRequest request)
    {
        if (IsSuspect(body) && BodyDiagnosis.Find(body) is { } refusal)
        {
            request = null!;
            return refusal;
        }

        try
        {
            request = JsonSerializer.Deserialize(body, WireJson.Default.SubmitJobRequest)!;
            return request is null ? BodyDiagnosis.Explain(body) : null;
        }
        catch (JsonException)
        {
            // Its text is made for developers of this server; the caller gets the diagnosis.
            request = null!;
            return BodyDiagnosis.Explain(body);
        }
    }

    /// <summary>Whether there may be what the reader passes over in members that it keeps as they are, such as a tool's schema.</summary>
    /// <remarks>
    /// A bare control character is invalid JSON, so U+0000 can only come in this spelling, and half of a surrogate pair in these. After an
    /// escaped backslash the same bytes are harmless, which only the diagnosis can tell.
    /// </remarks>
    private static bool IsSuspect(ReadOnlySpan<byte> body) =>
        body.IndexOf(EscapedNul) >= 0
        || body.IndexOf(EscapedSurrogate) >= 0
        || body.IndexOf(UpperEscapedSurrogate) >= 0
        || !Utf8.IsValid(body);

    /// <summary>Reads the input of a body that <see cref="TryRead"/> has accepted.</summary>
    /// <returns>Why it is refused, or null; then <paramref name="input"/> is set.</returns>
    public static Refusal? TryReadInput<T>(ReadOnlySpan<byte> body, JsonElement element, JsonTypeInfo<T> type, out T input)
        where T : class
    {
        try
        {
            input = element.Deserialize(type)!;
            return input is null ? BodyDiagnosis.Explain(body) : null;
        }
        catch (JsonException)
        {
            input = null!;
            return BodyDiagnosis.Explain(body);
        }
    }
}
