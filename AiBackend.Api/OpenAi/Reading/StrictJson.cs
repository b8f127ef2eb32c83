using System.Text.Json;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts;

namespace AiBackend.Api.OpenAi.Reading;

/// <summary>Reads a body as JSON, as strictly as the native API: a duplicate member never lets the last one win.</summary>
internal static class StrictJson
{
    private static readonly JsonDocumentOptions Options = new() { MaxDepth = BodyWalk.MaxDepth * 2, AllowDuplicateProperties = false };

    /// <param name="body">The body.</param>
    /// <param name="document">What it says, when it is not refused.</param>
    /// <param name="known">A member that is forbidden elsewhere and has a meaning here; null is none.</param>
    /// <returns>Why the body is refused, or null; then <paramref name="document"/> is an object, to be disposed of before the body.</returns>
    public static Refusal? TryParse(ReadOnlyMemory<byte> body, out JsonDocument document, string? known = null)
    {
        document = null!;
        // As a contract it takes anything: the walk finds what is wrong with the JSON itself.
        var anything = WireJson.Default.JsonElement;
        if (BodyDiagnosis.Find(body.Span, anything, anything) is { } fault)
        {
            return fault;
        }

        document = JsonDocument.Parse(body, Options);
        var refusal =
            document.RootElement.ValueKind != JsonValueKind.Object
                ? ProblemTypes.InvalidValue.With("The body must be a JSON object.")
                : ForbiddenMembers.Find(document.RootElement, "", known);
        if (refusal is not null)
        {
            document.Dispose();
        }

        return refusal;
    }
}
