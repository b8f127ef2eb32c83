using System.Text.Json;
using AiBackend.ApiContracts.Contracts;
using AiBackend.Core.Texts;

namespace AiBackend.Core.Contracts;

/// <summary>What is wrong with one answer: as much of it as a model or a person can use, however much it is.</summary>
public sealed class Violations
{
    /// <summary>More would tell nobody what these do not.</summary>
    public const int Most = 20;

    private const int LongestPath = 500;
    private const int LongestMessage = 600;
    private const int LongestValue = 200;

    private static readonly ContractViolation More = Of("", "more", "has more faults, which are not listed.");

    private readonly List<ContractViolation> _kept = [];

    /// <summary>How many were found; nobody counts on when <see cref="IsFull"/>.</summary>
    public int Count => _kept.Count + (IsFull ? 1 : 0);

    /// <summary>Whether there are more than are kept, so that there is no use in looking on.</summary>
    public bool IsFull { get; private set; }

    /// <summary>Keeps one, while there is room.</summary>
    public void Add(ContractViolation violation)
    {
        IsFull |= _kept.Count == Most;
        if (!IsFull)
        {
            _kept.Add(violation);
        }
    }

    /// <summary>All that were kept, and a word when there are more.</summary>
    public IReadOnlyList<ContractViolation> ToList() =>
        IsFull ? [.. _kept, More with { ForReview = _kept.TrueForAll(violation => violation.ForReview) }] : [.. _kept];

    /// <summary>One thing that is wrong, in a text of bounded length that can be stored whatever the answer contains.</summary>
    public static ContractViolation Of(string path, string rule, string message) =>
        new(StorableText.Of(path, LongestPath), rule, StorableText.Of(message, LongestMessage));

    /// <summary>What is wrong, in one line for people.</summary>
    public static string Told(ContractCheck check) =>
        string.Join(' ', check.Violations.Select(each => $"{(each.Path.Length == 0 ? "The value" : each.Path)} {each.Message}"));

    /// <summary>A value in a text for a model or a person.</summary>
    internal static string Shown(JsonElement value) => StorableText.Of(value.GetRawText(), LongestValue);
}
