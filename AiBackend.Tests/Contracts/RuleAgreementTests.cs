using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace AiBackend.Tests.Contracts;

/// <summary>Rules about values against a look that is as simple as their description: no limits, no haste, and another library's values.</summary>
public sealed class RuleAgreementTests
{
    private const int Pairs = 20_000;
    private const string Source = "Payable\n within 30   days. The lamp blinks, ab or x.";

    private static readonly string[] Names = ["a", "b", "c"];

    [Fact]
    public void P_11_each_rule_objects_to_the_same_values_as_a_naive_look()
    {
        var (kept, broken) = (new HashSet<string>(StringComparer.Ordinal), new HashSet<string>(StringComparer.Ordinal));
        for (var seed = 1; seed <= Pairs; seed++)
        {
            var make = new RuleMaker(new Random(seed));
            var (rule, answer) = (make.Rule(), make.Answer());
            var contract = Contract.Of($$"""{"rules":[{{rule.ToJsonString()}}],"on_violation":"fail"}""");
            Assert.True(Contract.Faults(contract) is [], $"Seed {seed}: {rule} is refused: {string.Join(' ', Contract.Faults(contract))}");

            var expected = Objections(rule, answer).Order(StringComparer.Ordinal).ToList();
            var found = Contract.Check(contract, answer.ToJsonString(), source: Source);

            var places = found.Check.Violations.Select(violation => violation.Path).Order(StringComparer.Ordinal).ToList();
            Assert.True(
                expected.SequenceEqual(places, StringComparer.Ordinal),
                $"Seed {seed}: {rule.ToJsonString()} on {answer.ToJsonString()}: expected {string.Join(' ', expected)}, found {string.Join(' ', places)}."
            );
            Assert.Equal(expected.Count == 0, found.IsValid);
            // A rule that names nothing says nothing.
            if (Select(answer, (string)rule["path"]!).Any())
            {
                (expected.Count == 0 ? kept : broken).Add((string)rule["rule"]!);
            }
        }

        Assert.Equal(RuleMaker.Kinds, kept.Order(StringComparer.Ordinal));
        Assert.Equal(RuleMaker.Kinds, broken.Order(StringComparer.Ordinal));
    }

    /// <summary>The places that a rule objects to.</summary>
    private static List<string> Objections(JsonObject rule, JsonNode answer)
    {
        var path = (string)rule["path"]!;
        var values = Select(answer, path).ToList();
        var with = rule["with"] is { } pointer ? Select(answer, (string)pointer!).ToList() : [];
        return (string)rule["rule"]! switch
        {
            "range" => Where(value =>
                Number(value) is not { } number
                || (rule["min"] is { } min && number < min.GetValue<decimal>())
                || (rule["max"] is { } max && number > max.GetValue<decimal>())
            ),
            "allowed" => Where(value => rule["values"]!.AsArray().All(each => Canonical(each) != Canonical(value))),
            // Against nothing, nothing is wrong.
            "compare" => with.Count == 0 ? [] : Where(value => !Holds((string)rule["operator"]!, value, with[0].Value)),
            "unique" => [.. values.GroupBy(each => Canonical(each.Value)).SelectMany(same => same.Skip(1)).Select(each => each.Place)],
            "sum" when with.Count == 0 => [],
            "sum" => values.All(each => Number(each.Value) is not null)
            && Number(with[0].Value) is { } total
            && Math.Abs(values.Sum(each => Number(each.Value)!.Value) - total) <= rule["tolerance"]!.GetValue<decimal>()
                ? []
                : [(string)rule["with"]!],
            _ =>
            [
                .. values.Count < rule["at_least"]!.GetValue<int>() ? [path] : Array.Empty<string>(),
                .. Where(value => Text(value) is not { } text || !IsCited(text)),
            ],
        };

        List<string> Where(Func<JsonNode?, bool> isWrong) => [.. values.Where(each => isWrong(each.Value)).Select(each => each.Place)];
    }

    private static bool IsCited(string text)
    {
        var words = OneSpace(text);
        return words.Length > 0 && OneSpace(Source).Contains(words, StringComparison.Ordinal);
    }

    private static string OneSpace(string text)
    {
        var said = new StringBuilder();
        foreach (var letter in text)
        {
            if (!char.IsWhiteSpace(letter))
            {
                said.Append(letter);
            }
            else if (said.Length > 0 && said[^1] != ' ')
            {
                said.Append(' ');
            }
        }

        return said.ToString().TrimEnd();
    }

    private static bool Holds(string comparison, JsonNode? value, JsonNode? other)
    {
        int? order =
            Number(value) is { } a && Number(other) is { } b ? a.CompareTo(b)
            // Dates are written so that their texts have their order.
            : Text(value) is { } x && Text(other) is { } y ? string.CompareOrdinal(x, y)
            : null;
        return comparison switch
        {
            "=" => Canonical(value) == Canonical(other),
            "!=" => Canonical(value) != Canonical(other),
            "<" => order < 0,
            "<=" => order <= 0,
            ">=" => order >= 0,
            _ => order > 0,
        };
    }

    private static IEnumerable<(string Place, JsonNode? Value)> Select(JsonNode? root, string path) =>
        path.Length == 0 ? [("", root)] : Select("", root, path[1..].Split('/'));

    private static IEnumerable<(string Place, JsonNode? Value)> Select(string place, JsonNode? value, string[] parts)
    {
        if (parts.Length == 0)
        {
            return [(place, value)];
        }

        IEnumerable<(string Name, JsonNode? Value)> children = value switch
        {
            JsonObject members => members.Select(member => (member.Key, member.Value)),
            JsonArray items => items.Select((item, i) => (i.ToString(CultureInfo.InvariantCulture), item)),
            _ => [],
        };
        return children
            .Where(child => parts[0] == "*" || parts[0] == child.Name)
            .SelectMany(child => Select($"{place}/{child.Name}", child.Value, parts[1..]));
    }

    /// <summary>What two values have in common that are the same however they are written.</summary>
    private static string Canonical(JsonNode? value) =>
        value switch
        {
            null => "null",
            JsonObject members => string.Concat(
                members.OrderBy(member => member.Key, StringComparer.Ordinal).Select(member => $"{member.Key}={Canonical(member.Value)};")
            ) + "}",
            JsonArray items => $"[{string.Join(',', items.Select(Canonical))}]",
            _ => Number(value) is { } number ? number.ToString("0.#####", CultureInfo.InvariantCulture) : value.ToJsonString(),
        };

    private static decimal? Number(JsonNode? value) => value?.GetValueKind() == JsonValueKind.Number ? value.GetValue<decimal>() : null;

    private static string? Text(JsonNode? value) => value?.GetValueKind() == JsonValueKind.String ? value.GetValue<string>() : null;

    /// <summary>Rules of every kind that needs nobody else, and answers that have a chance with them.</summary>
    private sealed class RuleMaker(Random random)
    {
        public static readonly string[] Kinds = ["allowed", "cited", "compare", "range", "sum", "unique"];

        private static readonly string[] Paths = ["/a", "/b", "/a/*", "/b/*", "/*", "/*/*", "/a/0", "/b/c", "/a/*/b", ""];
        private static readonly string[] Others = ["/c", "/b", "/a/0", "/b/c"];
        private static readonly string[] Operators = ["<", "<=", "=", "!=", ">=", ">"];
        private static readonly string[] Texts = ["", " ", "x", "ab", "2026-01-31", "2026-02-01", "30 days", "within 30\tdays.", "60 days"];

        // Each answer is of few kinds of values, so that whole lists of them may fit.
        private readonly int _kind = random.Next(4);

        public JsonObject Rule()
        {
            var (kind, rule) = (One(Kinds), new JsonObject());
            (rule["rule"], rule["path"]) = (kind, One(Paths));
            switch (kind)
            {
                case "range":
                    var min = random.Next(-3, 3);
                    if (random.Next(4) > 0)
                    {
                        rule["min"] = (decimal)min;
                    }

                    if (random.Next(2) == 0 || rule["min"] is null)
                    {
                        rule["max"] = min + (decimal)random.Next(5);
                    }

                    break;
                case "allowed":
                    rule["values"] = new JsonArray([.. Enumerable.Range(0, random.Next(1, 8)).Select(_ => Value(1))]);
                    break;
                case "compare":
                    (rule["operator"], rule["with"]) = (One(Operators), One(Others));
                    break;
                case "sum":
                    (rule["with"], rule["tolerance"]) = (One(Others), random.Next(3) / 2m);
                    break;
                case "cited":
                    rule["at_least"] = random.Next(4);
                    break;
            }

            return rule;
        }

        public JsonObject Answer() => new(Names.Where(_ => random.Next(5) > 0).Select(name => KeyValuePair.Create(name, Value(2))));

        private JsonNode? Value(int depth) =>
            depth > 0 && random.Next(2) == 0
                ? random.Next(2) == 0
                    ? new JsonArray([.. Enumerable.Range(0, random.Next(4)).Select(_ => Value(depth - 1))])
                    : new JsonObject(Names.Where(_ => random.Next(2) == 0).Select(name => KeyValuePair.Create(name, Value(depth - 1))))
                : (_kind == 3 ? random.Next(6) : _kind + 3) switch
                {
                    0 => null,
                    1 => JsonValue.Create(random.Next(2) == 0),
                    2 or 3 => JsonValue.Create((decimal)random.Next(-3, 4)),
                    4 => JsonValue.Create(random.Next(-6, 7) / 2m),
                    _ => JsonValue.Create(One(Texts)),
                };

        private string One(string[] of) => of[random.Next(of.Length)];
    }
}
