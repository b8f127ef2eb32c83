using System.Globalization;
using System.Numerics;
using System.Text.Json;

namespace AiBackend.Core.Contracts.Schemas;

/// <summary>Numbers as they are written, without rounding where that is cheap.</summary>
internal static class JsonNumbers
{
    /// <returns>Less than 0, 0 or more than 0.</returns>
    public static int Compare(JsonElement left, JsonElement right) =>
        left.TryGetDecimal(out var a) && right.TryGetDecimal(out var b) && IsExact(left) && IsExact(right)
            ? a.CompareTo(b)
            : left.GetDouble().CompareTo(right.GetDouble());

    public static bool IsInteger(JsonElement number) =>
        number.TryGetDecimal(out var value) && IsExact(number)
            ? decimal.Truncate(value) == value
            : number.GetDouble() is var large && double.IsFinite(large) && Math.Truncate(large) == large;

    /// <param name="number">A number of an answer.</param>
    /// <param name="step">A number of a schema, above 0.</param>
    public static bool IsMultiple(JsonElement number, JsonElement step)
    {
        var of = step.GetDecimal();
        if (number.TryGetDecimal(out var value) && IsExact(number))
        {
            return value % of == 0;
        }

        // Beyond 28 digits: whole numbers are still exact.
        return decimal.Truncate(of) == of
            && BigInteger.TryParse(number.GetRawText(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var big)
            && big % new BigInteger(of) == 0;
    }

    /// <summary>How many a keyword such as <c>minItems</c> says; a number as large as you like counts as the largest.</summary>
    public static int Count(JsonElement number) =>
        number.TryGetInt32(out var count) ? count
        : number.GetDouble() > int.MaxValue ? int.MaxValue
        : (int)number.GetDouble();

    /// <summary>A decimal holds 28 digits and rounds the others away without a word.</summary>
    private static bool IsExact(JsonElement number) => number.GetRawText().Length <= 28;
}
