using System.Text.Json;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts;

namespace AiBackend.Api.OpenAi.Reading;

/// <summary>Reads a body as JSON, as strictly as the native API: a duplicate member never lets the last one win.</summary>
internal static class StrictJson
{
    private static readonly JsonDocumentOptions Options = new() { MaxDepth = BodyWalk.MaxDepth * 2, AllowDuplicateProperties = false };

    // Each of them tells some gateway where to send the request, or as whom. Nobody here may decide that but the operator.
    private static readonly HashSet<string> Forbidden = new(StringComparer.OrdinalIgnoreCase)
    {
        "api_base",
        "base_url",
        "endpoint",
        "proxy",
        "headers",
        "api_key",
    };

    /// <returns>Why the body is refused, or null; then <paramref name="document"/> is an object, to be disposed of before the body.</returns>
    public static Refusal? TryParse(ReadOnlyMemory<byte> body, out JsonDocument document)
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
                : FindForbidden(document.RootElement, "");
        if (refusal is not null)
        {
            document.Dispose();
        }

        return refusal;
    }

    /// <returns>The first member, at whatever depth, that nobody may send; null when there is none.</returns>
    public static Refusal? FindForbidden(JsonElement value, string path)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var member in value.EnumerateObject())
                {
                    var place = path.Length == 0 ? member.Name : $"{path}.{member.Name}";
                    if (Forbidden.Contains(member.Name))
                    {
                        return ProblemTypes.ForbiddenMember.At(
                            place,
                            $"The body has the member {Quoted.Of(place)}. Where a request is sent, and as whom, is the operator's to say: leave it out, also in schemas and metadata."
                        );
                    }

                    if (FindForbidden(member.Value, place) is { } inside)
                    {
                        return inside;
                    }
                }

                return null;
            case JsonValueKind.Array:
                var index = 0;
                foreach (var item in value.EnumerateArray())
                {
                    if (FindForbidden(item, FormattableString.Invariant($"{path}[{index++}]")) is { } inside)
                    {
                        return inside;
                    }
                }

                return null;
            default:
                return null;
        }
    }
}
