using AiBackend.Core.Contracts.Schemas;

namespace AiBackend.Core.Contracts;

/// <summary>What an answer may quote (rule <c>cited</c>): what users, tools and looked-up passages say.</summary>
/// <remarks>
/// Not instructions, which are no evidence, nor what a model said itself or a reviewer about it: an invented quotation would become one by
/// being sent back.
/// </remarks>
public static class CitedSource
{
    /// <summary>Whether messages of a role may be quoted.</summary>
    public static bool IsQuotable(string? role) => role is "user" or "tool";

    /// <summary>Several texts as one.</summary>
    public static string Join(IEnumerable<string> texts) => string.Join('\n', texts);
}

/// <summary>A source that is looked through for quotations, in bounded time.</summary>
internal sealed class Quotations(string source, EvaluationBudget budget)
{
    // Characters that are compared at worst before the clock is looked at: far less than a millisecond's work.
    private const int CharactersBetweenLooks = 1 << 20;

    private string? _words;

    /// <summary>Whether a text stands in the source, word for word.</summary>
    public bool Has(string quotation)
    {
        var (given, sought) = (_words ??= Words(source), Words(quotation));
        if (sought.Length == 0)
        {
            return false;
        }

        // At each place all of it may have to be compared, so that there are as many fewer places as it is long.
        var places = Math.Max(64, CharactersBetweenLooks / sought.Length);
        for (var at = 0; at + sought.Length <= given.Length; at += places)
        {
            _ = budget.Left;
            var end = (int)Math.Min(given.Length, (long)at + places - 1 + sought.Length);
            if (given.AsSpan(at..end).Contains(sought, StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>White space is not what a quotation is about.</summary>
    private static string Words(string text) => string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
}
