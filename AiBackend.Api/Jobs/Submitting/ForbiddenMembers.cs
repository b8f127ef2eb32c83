using System.Text.Json;
using AiBackend.Api.Problems;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>Members that nobody may send, at whatever depth.</summary>
internal static class ForbiddenMembers
{
    // Each of them tells some gateway where to send the request, or as whom. Nobody here may decide that but the operator.
    private static readonly HashSet<string> Names = new(StringComparer.OrdinalIgnoreCase)
    {
        "api_base",
        "base_url",
        "endpoint",
        "proxy",
        "headers",
        "api_key",
    };

    /// <param name="value">Where to look.</param>
    /// <param name="path">Its place.</param>
    /// <param name="known">The place of a member that is called so and means something else; null is none.</param>
    /// <returns>The first one; null when there is none.</returns>
    public static Refusal? Find(JsonElement value, string path, string? known = null)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var member in value.EnumerateObject())
                {
                    var place = path.Length == 0 ? member.Name : $"{path}.{member.Name}";
                    if (Names.Contains(member.Name) && place != known)
                    {
                        return Refuse(place);
                    }

                    if (Find(member.Value, place, known) is { } inside)
                    {
                        return inside;
                    }
                }

                return null;
            case JsonValueKind.Array:
                var index = 0;
                foreach (var item in value.EnumerateArray())
                {
                    if (Find(item, FormattableString.Invariant($"{path}[{index++}]"), known) is { } inside)
                    {
                        return inside;
                    }
                }

                return null;
            default:
                return null;
        }
    }

    private static Refusal Refuse(string place) =>
        ProblemTypes.ForbiddenMember.At(
            place,
            $"The body has the member {Quoted.Of(place)}. Where a request is sent, and as whom, is the operator's to say: leave it out, also in schemas and metadata."
        );
}
