using System.Text.RegularExpressions;

namespace AiBackend.Core.Contracts.Schemas;

/// <summary>What may be spent on all paths of one definition together. A pattern is compiled once.</summary>
internal sealed class PathEffort
{
    // Alternatives within alternatives multiply; nobody who writes schemas by hand comes near.
    public const int MostSteps = 20_000;

    // A long name takes a pattern as long as several short ones.
    private const int LettersOfStep = 64;

    private readonly Dictionary<string, Regex> _patterns = new(StringComparer.Ordinal);

    /// <summary>Schemas looked at, and patterns held against names.</summary>
    public int Steps { get; private set; }

    /// <summary>Patterns that were compiled.</summary>
    public int Patterns { get; private set; }

    public bool IsSpent => Steps > MostSteps;

    /// <returns>False when nothing is left.</returns>
    public bool Step() => Spend(1);

    /// <returns>Null when it may or may not.</returns>
    public bool? Matches(string pattern, string name)
    {
        if (!Spend(1 + name.Length / LettersOfStep))
        {
            return null;
        }

        if (!_patterns.TryGetValue(pattern, out var regex))
        {
            Patterns++;
            _patterns[pattern] = regex = SafePatterns.Compile(pattern, EvaluationBudget.Longest);
        }

        try
        {
            return regex.IsMatch(name);
        }
        catch (RegexMatchTimeoutException)
        {
            // The next would take as long.
            Spend(MostSteps);
            return null;
        }
    }

    private bool Spend(int steps)
    {
        if (!IsSpent)
        {
            Steps += steps;
        }

        return !IsSpent;
    }
}
