using System.Text.Json;
using AiBackend.Core.Contracts.Schemas;

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

    private static (int Parts, string Offers)? Find(string schema, string path) =>
        SchemaPaths.FindFault(JsonElement.Parse(schema), path.Split('.'));
}
