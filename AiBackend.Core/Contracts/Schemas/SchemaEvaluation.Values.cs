using System.Text.Json;
using System.Text.RegularExpressions;

namespace AiBackend.Core.Contracts.Schemas;

// Keywords for texts and numbers.
internal sealed partial class SchemaEvaluation
{
    private static readonly TimeSpan Tolerance = TimeSpan.FromMilliseconds(25);

    private readonly Dictionary<string, Regex> _patterns = new(StringComparer.Ordinal);

    private bool CheckString(string keyword, JsonElement wanted, JsonElement value, JsonPlace place, Violations? found)
    {
        switch (keyword)
        {
            case "minLength":
                return LengthOf(value) >= JsonNumbers.Count(wanted)
                    || Fault(found, place, keyword, $"has {LengthOf(value)} characters; it must have at least {wanted}.");
            case "maxLength":
                return LengthOf(value) <= JsonNumbers.Count(wanted)
                    || Fault(found, place, keyword, $"has {LengthOf(value)} characters; it must have at most {wanted}.");
            case "pattern":
                return Matches(wanted.GetString()!, value.GetString()!)
                    || Fault(found, place, keyword, $"is {value}; it must match {wanted.GetString()}.");
            case "format":
                return TextFormats.Fits(wanted.GetString()!, value.GetString()!)
                    || Fault(found, place, keyword, $"is {value}; it must be a {wanted.GetString()}.");
            default:
                return true;
        }
    }

    /// <summary>In code points, as JSON Schema counts.</summary>
    private static int LengthOf(JsonElement value) => value.GetString()!.EnumerateRunes().Count();

    private bool Matches(string pattern, string text)
    {
        var left = budget.Left;
        // A regular expression has its limit from the time when it was made, when more was left.
        if (!_patterns.TryGetValue(pattern, out var regex) || regex.MatchTimeout > left + Tolerance)
        {
            _patterns[pattern] = regex = SafePatterns.Compile(pattern, left);
        }

        try
        {
            return regex.IsMatch(text);
        }
        catch (RegexMatchTimeoutException)
        {
            throw new EvaluationLimitException();
        }
    }

    private static bool CheckNumber(string keyword, JsonElement wanted, JsonElement value, JsonPlace place, Violations? found) =>
        keyword switch
        {
            "minimum" => JsonNumbers.Compare(value, wanted) >= 0
                || Fault(found, place, keyword, $"is {value}; it must be at least {wanted}."),
            "maximum" => JsonNumbers.Compare(value, wanted) <= 0
                || Fault(found, place, keyword, $"is {value}; it must be at most {wanted}."),
            "exclusiveMinimum" => JsonNumbers.Compare(value, wanted) > 0
                || Fault(found, place, keyword, $"is {value}; it must be more than {wanted}."),
            "exclusiveMaximum" => JsonNumbers.Compare(value, wanted) < 0
                || Fault(found, place, keyword, $"is {value}; it must be less than {wanted}."),
            "multipleOf" => JsonNumbers.IsMultiple(value, wanted)
                || Fault(found, place, keyword, $"is {value}; it must be a multiple of {wanted}."),
            _ => true,
        };
}
