using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.Core.Contracts.Schemas;
using AiBackend.Core.Workflows;

namespace AiBackend.Tests.Contracts;

/// <summary>Which paths a schema leaves possible.</summary>
public sealed class SchemaPathsTests
{
    private const string Invoice = """
        {"type":"object","additionalProperties":false,
         "properties":{"total":{"type":"number"},"lines":{"type":"array","maxItems":3,"items":{"$ref":"#/$defs/line"}},"note":{"type":["string","null"]},
                       "head":{"prefixItems":[{"type":"string"},{"$ref":"#/$defs/line"}],"items":false,"type":"array"}},
         "patternProperties":{"^x_":{"type":"object"}},
         "$defs":{"line":{"type":"object","properties":{"text":{"type":"string"}},"additionalProperties":false}}}
        """;

    [Theory]
    [InlineData("total")]
    [InlineData("lines.0.text")]
    [InlineData("lines.*.text")]
    [InlineData("lines.2")]
    [InlineData("head.1.text")]
    [InlineData("x_any.thing")]
    public void What_some_value_has_is_possible(string path) => Assert.Null(Find(Invoice, path));

    [Theory]
    [InlineData("totl", 0, "offers head, lines, note, total")]
    [InlineData("total.eur", 1, "is number")]
    [InlineData("note.0", 1, "is null or string")]
    [InlineData("lines.first", 1, "is array")]
    [InlineData("lines.3", 1, "is array")]
    [InlineData("lines.0.txt", 2, "offers text")]
    [InlineData("lines.*.text.more", 3, "is string")]
    [InlineData("head.0.text", 2, "is string")]
    [InlineData("head.2", 1, "is array")]
    [InlineData("*", 0, "offers head, lines, note, total")]
    public void What_no_value_has_is_told_with_what_there_is(string path, int parts, string offers) =>
        Assert.Equal((parts, offers), Find(Invoice, path));

    [Theory]
    [InlineData("""{"type":"object","properties":{"a":{}}}""", "b", true)]
    [InlineData("{}", "a.b", true)]
    [InlineData("true", "a.0", true)]
    [InlineData("false", "a", false)]
    [InlineData("""{"allOf":[{"type":"object"},{"properties":{"a":{"type":"string"}}}]}""", "a.b", false)]
    [InlineData("""{"anyOf":[{"type":"string"},{"type":"object","properties":{"a":{"const":"x"}}}]}""", "a", true)]
    [InlineData("""{"anyOf":[{"type":"string"},{"type":"object","properties":{"a":{"const":"x"}}}]}""", "a.b", false)]
    [InlineData("""{"oneOf":[{"enum":[1,2]},{"enum":[{"a":1}]}]}""", "a", true)]
    [InlineData("""{"oneOf":[{"enum":[1,2]},{"const":[1]}]}""", "a", false)]
    // A schema that is only itself says nothing, and ends.
    [InlineData("""{"$ref":"#"}""", "a", true)]
    [InlineData("""{"anyOf":[{"$ref":"#"},{"$ref":"#"}]}""", "a", true)]
    public void Nothing_is_called_impossible_that_the_schema_leaves_open(string schema, string path, bool can) =>
        Assert.Equal(can, Find(schema, path) is null);

    [Fact]
    public void However_often_patterns_are_met_each_is_compiled_once_and_they_count_as_steps_of_all_paths_together()
    {
        // Each member is the schema itself, of which both alternatives are looked at where the first does not do: 2 to the power of the depth.
        var patterns = string.Join(',', Enumerable.Range(0, 20).Select(number => $$"""  "^a{{number}}{9}$":{} """));
        var schema = JsonElement.Parse(
            $$$"""{"patternProperties":{{{{patterns}}},"^b":{"anyOf":[{"$ref":"#"},{"$ref":"#"}]}},"additionalProperties":false}"""
        );
        var (one, all) = (new PathEffort(), new PathEffort());

        Assert.Null(SchemaPaths.FindFault(schema, ["b", "b"], one));
        for (var path = 0; path < 100; path++)
        {
            // Impossible, but nobody looks so far.
            Assert.Null(SchemaPaths.FindFault(schema, [.. Enumerable.Repeat("b", 30), $"c{path}"], all));
        }

        // All 21 for each name; beside them the root, what ^b says, and the root by the first of its references.
        Assert.Equal((21, (2 * 21) + 4), (one.Patterns, one.Steps));
        Assert.Equal((21, PathEffort.MostSteps + 1), (all.Patterns, all.Steps));
    }

    [Fact]
    public void When_nothing_is_left_to_spend_no_path_is_called_impossible()
    {
        var effort = Spent(PathEffort.MostSteps + 1);
        var schema = JsonElement.Parse("""{"patternProperties":{"^b":false},"additionalProperties":false}""");

        Assert.Null(SchemaPaths.FindFault(schema, ["a"], effort));
        Assert.Null(SchemaPaths.FindFault(schema, ["b"], effort));
    }

    [Fact]
    public void A_pattern_that_may_no_longer_be_tried_neither_forbids_a_name_nor_leaves_it_to_what_is_said_of_others()
    {
        var effort = Spent(PathEffort.MostSteps - 1);
        // The last step is for the schema, and none is left for the pattern.
        var schema = JsonElement.Parse("""{"patternProperties":{"^b":false},"additionalProperties":false}""");

        Assert.Null(SchemaPaths.FindFault(schema, ["b"], effort));
        Assert.True(effort.IsSpent);
    }

    [Fact]
    public void A_path_of_thousands_of_parts_is_held_against_a_schema_only_as_far_as_that_goes()
    {
        var effort = new PathEffort();
        var schema = JsonElement.Parse("""{"properties":{"a":{"type":"string"}},"additionalProperties":false,"type":"object"}""");

        var fault = SchemaPaths.FindFault(schema, [.. Enumerable.Repeat("a", 50_000)], effort);

        Assert.Equal((1, "is string"), fault);
        Assert.InRange(effort.Steps, 1, 20);
    }

    [Theory]
    [InlineData("x", true)]
    [InlineData("{{steps.read.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.c}}", false)]
    public void All_paths_of_a_definition_share_what_may_be_spent(string first, bool isTold)
    {
        const string Schema = """{"patternProperties":{"^b":{"anyOf":[{"$ref":"#"},{"$ref":"#"}]}},"additionalProperties":false}""";
        var definition = JsonSerializer.Deserialize(
            """
            {"steps":[{"name":"read","type":"transform","value":"x","contract":{"schema":SCHEMA}},
                      {"name":"first","type":"transform","value":"FIRST"},{"name":"wrong","type":"transform","value":"{{steps.read.wrong}}"}]}
            """.Replace("SCHEMA", Schema, StringComparison.Ordinal).Replace("FIRST", first, StringComparison.Ordinal),
            WireJson.Default.WorkflowDefinition
        )!;
        var faults = new List<string>();

        StepPaths.Check(definition, (place, _) => faults.Add(place));

        Assert.Equal(isTold ? ["steps[2]"] : [], faults);
    }

    private static PathEffort Spent(int steps)
    {
        var effort = new PathEffort();
        for (var step = 0; step < steps; step++)
        {
            effort.Step();
        }

        return effort;
    }

    private static (int Parts, string Offers)? Find(string schema, string path) =>
        SchemaPaths.FindFault(JsonElement.Parse(schema), path.Split('.'), new PathEffort());
}
