using System.Text.RegularExpressions;

namespace AiBackend.Core.Contracts.Schemas;

/// <summary>Regular expressions of strangers: their time grows with the text, not with the number of ways through it.</summary>
internal static class SafePatterns
{
    /// <summary>Characters of a pattern.</summary>
    public const int MaxLength = 1000;

    /// <exception cref="NotSupportedException">It has look-around or back-references.</exception>
    /// <exception cref="ArgumentException">It is no regular expression.</exception>
    public static Regex Compile(string pattern, TimeSpan limit) =>
        new(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant, limit);

    /// <returns>What is wrong with it, or null.</returns>
    public static string? Refuse(string pattern)
    {
        if (pattern.Length > MaxLength)
        {
            return $"has {pattern.Length} characters; at most {MaxLength} are allowed.";
        }

        try
        {
            _ = Compile(pattern, EvaluationBudget.Longest);
            return null;
        }
        catch (NotSupportedException)
        {
            return "has look-around or a back-reference, which cannot be matched in bounded time; say it without.";
        }
        catch (ArgumentException notRegular)
        {
            return $"is no regular expression: {notRegular.Message}";
        }
    }
}
