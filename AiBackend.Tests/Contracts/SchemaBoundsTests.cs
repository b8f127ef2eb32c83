using System.Diagnostics;
using AiBackend.ApiContracts.Contracts;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Contracts;

/// <summary>Schemas that mean harm, or that nobody could keep.</summary>
public sealed class SchemaBoundsTests
{
    // Far more than 250 ms and a slow machine's rests, and far less than what these looks would take.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

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

    public static TheoryData<string, string, string> Endless =>
        new()
        {
            // Some million million looks.
            { $$"""{"schema":{{Doubling(40)}},"on_violation":"fail"}""", "1", Verdicts.Schema },
            // Twenty million comparisons, after which there would be nothing to object to.
            { AllowedAtLast(200), $"[{string.Join(',', Enumerable.Repeat('1', 100_000))}]", Verdicts.Rule },
        };

    [Theory]
    [MemberData(nameof(Endless))]
    public async Task D_20_a_look_that_would_take_long_ends_after_250_ms_and_says_so(string contract, string answer, string verdict)
    {
        var (terms, startedAt) = (Contract.Of(contract), Stopwatch.GetTimestamp());
        Assert.Empty(Contract.Faults(terms));

        // On a thread of its own, as without the limit it would not come back.
        var found = await Task.Run(() => Contract.Check(terms, answer), TestRun.Cancel).WaitAsync(TimeSpan.FromSeconds(30), TestRun.Cancel);

        // Twice, since the machine may have stood still the first time.
        Assert.InRange(Stopwatch.GetElapsedTime(startedAt), TimeSpan.FromMilliseconds(500), Patience);
        var violation = Assert.Single(found.Check.Violations);
        Assert.Equal((verdict, "evaluation", "cannot be checked within 250 ms."), (found.Check.Verdict, violation.Rule, violation.Message));
    }

    [Fact]
    public void D_20_the_same_with_less_to_look_at_is_looked_at_to_its_end()
    {
        var doubling = Contract.Check(Contract.OfSchema(Doubling(4), "fail"), "1");

        Assert.DoesNotContain(doubling.Check.Violations, violation => violation.Rule == "evaluation");
        Assert.Equal(Verdicts.Schema, doubling.Check.Verdict);
        Assert.True(Contract.Check(Contract.OfSchema(Doubling(4), "fail"), "\"a\"").IsValid);
        Assert.True(Contract.Check(Contract.Of(AllowedAtLast(200)), "[1,1,1]").IsValid);
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

    private static string AllowedAtLast(int values) =>
        $$"""{"rules":[{"rule":"allowed","path":"/*","values":[{{string.Join(',', Enumerable.Range(2, values - 1))}},1]}],"on_violation":"fail"}""";

    private static string Doubling(int levels)
    {
        var links = Enumerable
            .Range(0, levels)
            .Select(level => $"\"l{level}\":{{\"anyOf\":[{{\"$ref\":\"#/$defs/l{level + 1}\"}},{{\"$ref\":\"#/$defs/l{level + 1}\"}}]}}");
        return $"{{\"$ref\":\"#/$defs/l0\",\"$defs\":{{{string.Join(',', links)},\"l{levels}\":{{\"type\":\"string\"}}}}}}";
    }
}
