using System.Globalization;
using AiBackend.Api.Problems;
using static System.FormattableString;

namespace AiBackend.Api.Routing;

/// <summary><c>ETag</c> and <c>If-Match</c> of what has versions: a change that was decided on an older version is refused.</summary>
internal static class VersionMatch
{
    public static void Tell(HttpResponse response, int version) => response.Headers.ETag = Invariant($"\"{version}\"");

    /// <returns>Why the header is refused, or null; then <paramref name="expected"/> is the version it names, null without one.</returns>
    public static Refusal? TryRead(HttpRequest request, out int? expected)
    {
        expected = null;
        if (request.Headers.IfMatch is not [var text, ..] || text is null or "*")
        {
            return null;
        }

        if (
            text is ['"', .. var digits, '"']
            && int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var version)
            && request.Headers.IfMatch.Count == 1
        )
        {
            expected = version;
            return null;
        }

        return ProblemTypes.InvalidValue.At(
            "If-Match",
            $"If-Match is {Quoted.Of(text)}; send the ETag of the version you read, such as \"3\"."
        );
    }

    public static Refusal Refuse(string what, int expected) =>
        ProblemTypes.VersionMismatch.With(
            Invariant($"{what} is not at version {expected} any more. Read it again, and send the change with the ETag it has now.")
        );
}
