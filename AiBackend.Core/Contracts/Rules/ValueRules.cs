using System.Globalization;
using System.Text.Json;
using AiBackend.ApiContracts.Contracts;
using AiBackend.Core.Contracts.Schemas;

namespace AiBackend.Core.Contracts.Rules;

/// <summary>Lays the rules of a contract, but a judge's, on an answer.</summary>
/// <param name="custom">The validators that are registered.</param>
internal sealed class ValueRules(IEnumerable<IOutputRule> custom)
{
    private readonly Dictionary<string, IOutputRule> _custom = custom.ToDictionary(rule => rule.Name, StringComparer.Ordinal);

    /// <summary>Names that a rule <c>custom</c> may have.</summary>
    public IReadOnlyCollection<string> CustomNames => _custom.Keys;

    /// <param name="rules">The rules.</param>
    /// <param name="answer">The whole answer.</param>
    /// <param name="source">What it may quote.</param>
    /// <param name="budget">How long that may take.</param>
    /// <returns>What is wrong; nobody looks on when there is more than can be told.</returns>
    /// <exception cref="EvaluationLimitException">It takes too long.</exception>
    public IReadOnlyList<ContractViolation> Check(
        IReadOnlyList<ContractRule> rules,
        JsonElement answer,
        Quotations source,
        EvaluationBudget budget
    )
    {
        var found = new Violations();
        foreach (var rule in rules)
        {
            foreach (var (place, message) in Faults(rule, answer, source, budget))
            {
                found.Add(
                    Violations.Of(place, rule.Rule!, rule.Message ?? message) with
                    {
                        ForReview = rule.Severity == RuleSeverities.Review,
                    }
                );
                if (found.IsFull)
                {
                    return found.ToList();
                }
            }
        }

        return found.ToList();
    }

    private IEnumerable<(string Place, string Message)> Faults(
        ContractRule rule,
        JsonElement answer,
        Quotations source,
        EvaluationBudget budget
    )
    {
        var values = budget.Each(JsonPointers.Select(answer, JsonPointers.Parse(rule.Path ?? "")!));
        return rule.Rule switch
        {
            ContractRules.Range => Each(values, value => OutOfRange(rule, value)),
            ContractRules.Allowed => Each(values, value => NotAllowed(budget.Each(rule.Values!), value)),
            ContractRules.Compare => Compare(rule, values, Other(rule, answer)),
            ContractRules.Sum => Sum(rule, values, Other(rule, answer)),
            ContractRules.Unique => Repeated(values),
            ContractRules.Cited => NotCited(rule, [.. values], source),
            ContractRules.Url => Each(values, value => NoUrl(rule, value)),
            ContractRules.RelativePath => Each(values, NoRelativePath),
            ContractRules.Custom => Each(
                values,
                value => _custom.TryGetValue(rule.Name!, out var known) ? known.Refuse(value) : Unknown(rule)
            ),
            _ => [],
        };
    }

    private static IEnumerable<(string Place, string Message)> Each(
        IEnumerable<(JsonPlace Place, JsonElement Value)> values,
        Func<JsonElement, string?> refuse
    ) =>
        values
            .Select(value => (value.Place, Message: refuse(value.Value)))
            .Where(fault => fault.Message is not null)
            .Select(fault => (fault.Place.ToString(), fault.Message!));

    private static string? OutOfRange(ContractRule rule, JsonElement value) =>
        NumberOf(value) is { } number && !(number < rule.Min) && !(number > rule.Max)
            ? null
            : Invariant(
                $"must be a number{(rule.Min is { } min ? Invariant($" of at least {min}") : "")}{(rule.Max is { } max ? Invariant($" of at most {max}") : "")}."
            );

    private static string? NotAllowed(IEnumerable<JsonElement> values, JsonElement value) =>
        values.Any(allowed => JsonElement.DeepEquals(allowed, value))
            ? null
            : $"must be one of {string.Join(", ", values.Select(Violations.Shown))}.";

    private static JsonElement? Other(ContractRule rule, JsonElement answer) => JsonPointers.Find(answer, JsonPointers.Parse(rule.With!)!);

    private static IEnumerable<(string Place, string Message)> Compare(
        ContractRule rule,
        IEnumerable<(JsonPlace Place, JsonElement Value)> values,
        JsonElement? other
    ) =>
        other is { } bound
            ? Each(
                values,
                value =>
                    Holds(rule.Operator!, value, bound) ? null : $"must be {rule.Operator} {rule.With}, which is {Violations.Shown(bound)}."
            )
            : [];

    private static bool Holds(string comparison, JsonElement value, JsonElement other)
    {
        if (comparison is "=" or "!=")
        {
            return JsonElement.DeepEquals(value, other) == (comparison == "=");
        }

        if (Order(value, other) is not { } order)
        {
            return false;
        }

        return comparison switch
        {
            "<" => order < 0,
            "<=" => order <= 0,
            ">=" => order >= 0,
            _ => order > 0,
        };
    }

    /// <returns>Null when the two have no order.</returns>
    private static int? Order(JsonElement value, JsonElement other) =>
        (value.ValueKind, other.ValueKind) switch
        {
            (JsonValueKind.Number, JsonValueKind.Number) => JsonNumbers.Compare(value, other),
            (JsonValueKind.String, JsonValueKind.String) when MomentOf(value) is { } a && MomentOf(other) is { } b => a.CompareTo(b),
            (JsonValueKind.String, JsonValueKind.String) => string.CompareOrdinal(value.GetString(), other.GetString()),
            _ => null,
        };

    private static DateTimeOffset? MomentOf(JsonElement value) =>
        DateTimeOffset.TryParse(value.GetString(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var moment)
            ? moment
            : null;

    private static IEnumerable<(string Place, string Message)> Sum(
        ContractRule rule,
        IEnumerable<(JsonPlace Place, JsonElement Value)> values,
        JsonElement? other
    )
    {
        if (other is not { } wanted)
        {
            return [];
        }

        decimal? sum = values.Aggregate((decimal?)0, (total, value) => Added(total, NumberOf(value.Value)));
        return sum is { } all && NumberOf(wanted) is { } total && Difference(all, total) <= (rule.Tolerance ?? 0)
            ? []
            :
            [
                (
                    rule.With!,
                    Invariant(
                        $"is {Violations.Shown(wanted)}; {rule.Path} adds up to {sum?.ToString(CultureInfo.InvariantCulture) ?? "no number"}."
                    )
                ),
            ];
    }

    private static decimal? Added(decimal? total, decimal? value)
    {
        try
        {
            return total + value;
        }
        catch (OverflowException)
        {
            return null;
        }
    }

    private static decimal Difference(decimal a, decimal b) => Added(Math.Max(a, b), -Math.Min(a, b)) ?? decimal.MaxValue;

    private static IEnumerable<(string Place, string Message)> Repeated(IEnumerable<(JsonPlace Place, JsonElement Value)> values)
    {
        var seen = new HashSet<JsonElement>(JsonEquality.Instance);
        return values
            .Where(value => !seen.Add(value.Value))
            .Select(value => (value.Place.ToString(), "came before; every value must be another."));
    }

    private static IEnumerable<(string Place, string Message)> NotCited(
        ContractRule rule,
        IReadOnlyCollection<(JsonPlace Place, JsonElement Value)> values,
        Quotations source
    )
    {
        var least = rule.AtLeast ?? 1;
        if (values.Count < least)
        {
            yield return (rule.Path ?? "", Invariant($"has {values.Count} values; there must be at least {least}, each from the source."));
        }

        foreach (var (place, value) in values)
        {
            if (value.ValueKind != JsonValueKind.String || !source.Has(value.GetString()!))
            {
                yield return (
                    place.ToString(),
                    "does not stand in what users, tools and passages say; it must be taken from there word for word."
                );
            }
        }
    }

    private static string? NoUrl(ContractRule rule, JsonElement value)
    {
        var schemes = rule.Schemes ?? [Uri.UriSchemeHttps];
        return
            value.ValueKind == JsonValueKind.String
            && Uri.TryCreate(value.GetString(), UriKind.Absolute, out var address)
            && schemes.Contains(address.Scheme, StringComparer.OrdinalIgnoreCase)
            // What stands before the @ of a mailbox is no user who logs in.
            && (address.UserInfo.Length == 0 || address.Scheme == Uri.UriSchemeMailto)
            && value.GetString()!.StartsWith(address.Scheme + ":", StringComparison.OrdinalIgnoreCase)
            ? null
            : $"must be an address that begins with {string.Join(" or ", schemes.Select(scheme => scheme + ":"))} and names no user.";
    }

    private static string? NoRelativePath(JsonElement value) =>
        value.ValueKind == JsonValueKind.String
        && value.GetString() is { Length: > 0 } path
        && !path.AsSpan().ContainsAny("\\:%\0")
        && path[0] is not ('/' or '~')
        && path.Split('/').All(part => part is not ("" or "." or ".."))
            ? null
            : "must be a relative path without \"..\", backslash, colon or percent sign.";

    private static string Unknown(ContractRule rule) => $"cannot be checked: no validator {rule.Name} is registered here.";

    private static decimal? NumberOf(JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out var number) ? number : null;

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
