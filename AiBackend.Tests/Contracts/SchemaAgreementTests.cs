using System.Text.Json;
using System.Text.Json.Nodes;
using Json.Schema;

namespace AiBackend.Tests.Contracts;

/// <summary>Our look at an answer against that of a library that nobody here wrote.</summary>
public sealed class SchemaAgreementTests
{
    private const int Pairs = 20_000;

    [Fact]
    public void P_11_the_validator_agrees_with_another_ones_on_schemas_and_values_of_every_kind()
    {
        // A contract means what it says, so that formats are asserted.
        var options = new EvaluationOptions { OutputFormat = OutputFormat.Flag, RequireFormatValidation = true };
        var fitting = 0;
        for (var seed = 1; seed <= Pairs; seed++)
        {
            var make = new SchemaMaker(new Random(seed));
            var (schema, value) = (make.Root().ToJsonString(), Text(make.Value(3)));
            var contract = Contract.OfSchema(schema, "fail");
            Assert.True(
                Contract.Faults(contract) is [],
                $"Seed {seed}: {schema} is refused: {string.Join(' ', Contract.Faults(contract))}"
            );

            var theirs = JsonSchema.FromText(schema).Evaluate(JsonDocument.Parse(value).RootElement, options).IsValid;
            var ours = Contract.Check(contract, value);

            Assert.True(theirs == ours.IsValid, $"Seed {seed}: {schema} on {value}: they say {theirs}, we {ours.Check.Verdict}.");
            Assert.Equal(theirs, ours.Check.Violations.Count == 0);
            fitting += theirs ? 1 : 0;
        }

        // Both verdicts come often, or the test says nothing.
        Assert.InRange(fitting, Pairs / 10, Pairs * 9 / 10);
    }

    private static string Text(JsonNode? value) => value?.ToJsonString() ?? "null";

    /// <summary>Small schemas of every keyword, and values that have a chance with them.</summary>
    private sealed class SchemaMaker(Random random)
    {
        private static readonly string[] Names = ["a", "b", "c"];
        private static readonly string[] Texts = ["", "x", "ab", "abc", "2026-01-31", "Ä😀", .. Formatted];
        private static readonly string[] Formats = ["date", "date-time", "ipv4", "ipv6", "uuid"];

        private static string[] Formatted =>
            ["2026-02-30", "2026-01-31T10:00:00Z", "192.0.2.1", "2001:db8::1", "b3c1f1a2-0000-4000-8000-000000000000"];

        private static readonly string[] Patterns = ["^a", "b$", "[a-c]+", "^.{2}$"];
        private static readonly string[] Types = ["object", "array", "string", "number", "integer", "boolean", "null"];

        // Those that there are: none may lead in a circle, except by way of values that are smaller.
        private readonly List<string> _definitions = [];

        /// <summary>A schema and what it refers to.</summary>
        public JsonObject Root()
        {
            var definitions = new JsonObject();
            foreach (var name in (string[])["d~/", "d1"])
            {
                definitions[name] = Schema(2);
                _definitions.Add(
                    $"#/$defs/{name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal)}"
                );
            }

            const string Tree = "#/$defs/tree";
            definitions["tree"] = new JsonObject
            {
                ["maxProperties"] = 2,
                ["maxItems"] = 2,
                ["additionalProperties"] = new JsonObject { ["$ref"] = Tree },
                ["items"] = new JsonObject { ["$ref"] = Tree },
            };
            _definitions.Add(Tree);
            var root = (JsonObject)Schema(3);
            root["$defs"] = definitions;
            return root;
        }

        public JsonNode Schema(int depth)
        {
            if (depth == 0)
            {
                return random.Next(8) switch
                {
                    0 => JsonValue.Create(true),
                    1 => JsonValue.Create(false),
                    _ => new JsonObject { ["type"] = One(Types) },
                };
            }

            var schema = new JsonObject();
            for (var keywords = random.Next(1, 4); keywords > 0; keywords--)
            {
                var (name, value) = Keyword(depth - 1);
                schema[name] = value;
            }

            return schema;
        }

        public JsonNode? Value(int depth) =>
            random.Next(depth > 0 ? 9 : 6) switch
            {
                0 => null,
                1 => JsonValue.Create(random.Next(2) == 0),
                2 => JsonValue.Create(random.Next(-3, 6)),
                3 => JsonValue.Create(random.Next(-30, 60) / 10m),
                4 or 5 => JsonValue.Create(One(Texts)),
                6 => new JsonArray([.. Enumerable.Range(0, random.Next(4)).Select(_ => Value(depth - 1))]),
                _ => new JsonObject(Names.Where(_ => random.Next(2) == 0).Select(name => KeyValuePair.Create(name, Value(depth - 1)))),
            };

        private (string Name, JsonNode? Value) Keyword(int depth) =>
            random.Next(36) switch
            {
                0 => ("type", One(Types)),
                1 => (
                    "type",
                    new JsonArray([
                        .. Types.Where(_ => random.Next(2) == 0).Append("string").Distinct().Select(type => JsonValue.Create(type)),
                    ])
                ),
                2 => ("enum", new JsonArray([.. Enumerable.Range(0, 3).Select(_ => Value(1))])),
                3 => ("const", Value(1)),
                4 => ("properties", Map(depth)),
                5 => ("additionalProperties", Schema(depth)),
                6 => ("patternProperties", new JsonObject { [One(Patterns)] = Schema(depth) }),
                7 => ("propertyNames", Schema(depth)),
                8 => ("required", new JsonArray(One(Names))),
                9 => ("dependentRequired", new JsonObject { [One(Names)] = new JsonArray(One(Names)) }),
                10 => ("minProperties", random.Next(4)),
                11 => ("maxProperties", random.Next(4)),
                12 => ("items", Schema(depth)),
                13 => ("prefixItems", List(depth)),
                14 => ("contains", Schema(depth)),
                15 => ("minItems", random.Next(4)),
                16 => ("maxItems", random.Next(4)),
                17 => ("uniqueItems", random.Next(2) == 0),
                18 => ("minLength", random.Next(4)),
                19 => ("maxLength", random.Next(4)),
                20 => ("pattern", One(Patterns)),
                21 => ("minimum", random.Next(-3, 6)),
                22 => ("exclusiveMaximum", random.Next(-3, 6)),
                23 => ("multipleOf", random.Next(1, 20) / 10m),
                24 => ("allOf", List(depth)),
                25 => ("anyOf", List(depth)),
                26 => ("oneOf", List(depth)),
                27 => ("not", Schema(depth)),
                28 => ("if", Schema(depth)),
                29 => ("maximum", random.Next(-3, 6)),
                30 => ("exclusiveMinimum", random.Next(-3, 6)),
                31 => ("format", One(Formats)),
                32 => ("items", new JsonObject { ["type"] = "array", ["items"] = Schema(depth) }),
                33 or 34 when _definitions.Count > 0 => ("$ref", _definitions[random.Next(_definitions.Count)]),
                _ => (random.Next(2) == 0 ? "then" : "else", Schema(depth)),
            };

        private JsonObject Map(int depth) =>
            new(Names.Where(_ => random.Next(2) == 0).Select(name => KeyValuePair.Create<string, JsonNode?>(name, Schema(depth))));

        private JsonArray List(int depth) => new([.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => Schema(depth))]);

        private string One(string[] of) => of[random.Next(of.Length)];
    }
}
