using System.Diagnostics;

namespace AiBackend.Tests.Contracts;

/// <summary>Schemas that mean harm, or that nobody could keep.</summary>
public sealed class SchemaBoundsTests
{
    // Far more than 250 ms and a slow machine's rests.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    public static TheoryData<string, string> Refused =>
        new()
        {
            { """{"pattern":"(a)\\1"}""", "schema/pattern has look-around or a back-reference" },
            { $$"""{"pattern":"{{new string('a', 60_000)}}"}""", "schema/pattern has 60000 characters" },
            { """{"pattern":"("}""", "schema/pattern is no regular expression" },
            { """{"$ref":"https://evil.example/schema.json"}""", "schema/$ref must begin with #" },
            { """{"$ref":"#/$defs/none"}""", "where there is no schema" },
            { $$"""{"anyOf":[{{string.Join(',', Enumerable.Repeat("{}", 10_000))}}]}""", "at most 500 are allowed" },
            { $$"""{"const":"{{new string('a', 70_000)}}"}""", "at most 65536 are allowed" },
            { Nested(17), "at most 16 are allowed" },
            { """{"multipleOf":1e-308}""", "schema/multipleOf must be a number above 0 with at most 28 digits" },
            { """{"multipleOf":0}""", "schema/multipleOf must be a number above 0" },
            { """{"maximum":1e999}""", "schema cannot be laid on answers: it has the number 1e999" },
            { """{"type":"text"}""", "schema/type must be one of object" },
            { """{"minLength":-1}""", "schema/minLength must be a whole number" },
            { """{"required":"a"}""", "schema/required must be a list" },
            { """{"unevaluatedProperties":false}""", "is no keyword that is checked here" },
            { """{"format":"colour"}""", "schema/format must be one of date" },
            { """{"properties":{"a/b":3}}""", "schema/properties/a~1b must be a schema" },
        };

    [Theory]
    [MemberData(nameof(Refused))]
    public void A_57_D_20_a_schema_that_cannot_be_kept_within_bounds_is_refused_by_name(string schema, string fault) =>
        Assert.Contains(fault, string.Join('\n', Contract.Faults(Contract.OfSchema(schema))), StringComparison.Ordinal);

    public static TheoryData<string, string> Slow =>
        new()
        {
            // Backtracking would try every way through it.
            { """{"pattern":"^(a+)+$"}""", $"\"{new string('a', 40)}!\"" },
            // Each level asks for the next one twice: 2 to the power of 40 looks.
            { Doubling(40), "1" },
            { """{"$ref":"#"}""", "1" },
            { """{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"}""", "1" },
            { """{"uniqueItems":true}""", $"[{string.Join(',', Enumerable.Range(0, 100_000))}]" },
            {
                """{"items":{"pattern":"^(([a-z])+.)+[A-Z]([a-z])+$"}}""",
                $"[{string.Join(',', Enumerable.Repeat($"\"{new string('a', 2000)}\"", 200))}]"
            },
        };

    [Theory]
    [MemberData(nameof(Slow))]
    public void A_57_a_look_ends_in_bounded_time_whatever_schema_and_answer_are(string schema, string answer)
    {
        var contract = Contract.OfSchema(schema);
        Assert.Empty(Contract.Faults(contract));
        var startedAt = Stopwatch.GetTimestamp();

        var found = Contract.Check(contract, answer);

        Assert.InRange(Stopwatch.GetElapsedTime(startedAt), TimeSpan.Zero, Patience);
        Assert.False(found.IsValid);
    }

    [Fact]
    public void A_schema_may_refer_to_itself_for_values_that_nest()
    {
        var tree = Contract.OfSchema(
            """{"type":"object","properties":{"children":{"type":"array","items":{"$ref":"#"}},"name":{"type":"string"}},"required":["name"]}"""
        );

        Assert.Empty(Contract.Faults(tree));
        Assert.True(Contract.Check(tree, """{"name":"a","children":[{"name":"b","children":[{"name":"c"}]}]}""").IsValid);
        var wrong = Contract.Check(tree, """{"name":"a","children":[{"name":"b","children":[{}]}]}""");
        Assert.Equal("/children/0/children/0/name", Assert.Single(wrong.Check.Violations).Path);
    }

    private static string Nested(int depth) => depth == 1 ? "{}" : $$"""{"not":{{Nested(depth - 1)}}}""";

    private static string Doubling(int levels)
    {
        var links = Enumerable
            .Range(0, levels)
            .Select(level => $"\"l{level}\":{{\"anyOf\":[{{\"$ref\":\"#/$defs/l{level + 1}\"}},{{\"$ref\":\"#/$defs/l{level + 1}\"}}]}}");
        return $"{{\"$ref\":\"#/$defs/l0\",\"$defs\":{{{string.Join(',', links)},\"l{levels}\":{{\"type\":\"string\"}}}}}}";
    }
}
