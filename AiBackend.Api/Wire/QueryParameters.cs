using System.Globalization;
using System.Text.RegularExpressions;
using AiBackend.Api.Problems;

namespace AiBackend.Api.Wire;

/// <summary>The parameters of an address, read strictly: a mistyped name or value is refused instead of ignored.</summary>
internal static partial class QueryParameters
{
    /// <returns>Why a name is refused, or null.</returns>
    public static Refusal? CheckNames(HttpRequest request, params ReadOnlySpan<string> known)
    {
        if (!request.QueryString.HasValue)
        {
            return null;
        }

        foreach (var (name, _) in request.Query)
        {
            if (!known.Contains(name))
            {
                var remedy = known.IsEmpty ? "This address takes none." : $"Known parameters: {string.Join(", ", known.ToArray())}.";
                return ProblemTypes.UnknownQueryParameter.With($"The parameter {Quoted.Of(name)} is not known here. {remedy}");
            }
        }

        return null;
    }

    /// <returns>Why a parameter that may be given once is refused, or null; then <paramref name="value"/> is its text, null when absent.</returns>
    public static Refusal? TryReadText(HttpRequest request, string name, out string? value)
    {
        var values = request.Query[name];
        value = values.Count == 0 ? null : values[0];
        return values.Count > 1 ? ProblemTypes.InvalidValue.At(name, $"{name} is given {values.Count} times; give it once.")
            // No text of ours has it, and Postgres takes none that does.
            : value?.Contains('\0', StringComparison.Ordinal) == true
                ? ProblemTypes.InvalidValue.At(name, $"{name} has the character U+0000; send it without.")
            : null;
    }

    /// <returns>Why a whole number is refused, or null; then <paramref name="value"/> is set.</returns>
    public static Refusal? TryReadNumber(HttpRequest request, string name, int min, int max, int fallback, out int value)
    {
        value = fallback;
        if (TryReadText(request, name, out var text) is { } repeated)
        {
            return repeated;
        }

        return
            text is null || (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value >= min && value <= max)
            ? null
            : ProblemTypes.InvalidValue.At(name, $"{name} is {Quoted.Of(text)}; it must be a whole number from {min} to {max}.");
    }

    /// <returns>Why a moment is refused, or null; then <paramref name="value"/> is set, null when absent.</returns>
    public static Refusal? TryReadMoment(HttpRequest request, string name, out DateTimeOffset? value)
    {
        value = null;
        if (TryReadText(request, name, out var text) is { } repeated)
        {
            return repeated;
        }

        if (text is null)
        {
            return null;
        }

        // A plus sign that was not escaped arrives as a space; nothing else in a time can.
        var written = text.Replace(' ', '+');
        if (!Rfc3339().IsMatch(written) || !DateTimeOffset.TryParse(written, CultureInfo.InvariantCulture, out var moment))
        {
            return ProblemTypes.InvalidValue.At(
                name,
                $"{name} is {Quoted.Of(text)}; it must be a time in RFC 3339 form, such as 2030-01-31T12:00:00Z."
            );
        }

        value = moment;
        return null;
    }

    [GeneratedRegex(@"^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,7})?([Zz]|[+-]\d{2}:\d{2})$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Rfc3339();
}
