using AiBackend.Core.Contracts;

namespace AiBackend.Tests.Contracts;

/// <summary>What counts as a table.</summary>
public sealed class CsvTableTests
{
    [Theory]
    [InlineData("a")]
    [InlineData("a,b\n1,2")]
    [InlineData("a,b\r\n1,2\r\n")]
    [InlineData("a,\"b \"\"c\"\", d\ne\"\n1,2\n")]
    [InlineData("a,b,\n1,,\n,,3\n")]
    [InlineData(",")]
    public void Rows_of_as_many_fields_are_one(string text) => Assert.Null(CsvTable.FindFault(text));

    [Theory]
    [InlineData("", "empty")]
    [InlineData(" \n ", "empty")]
    [InlineData("a,b\n1\n", "Row 2 has 1 fields, and the first row has 2")]
    [InlineData("a,b\n1,2\n1,2,3", "Row 3 has 3 fields")]
    [InlineData("a,b\n1,2,", "Row 2 has 3 fields")]
    [InlineData("a,b\n\n1,2", "Row 2 has 1 fields")]
    [InlineData("a,\"b\n1,2", "Row 1 has a quoted field that does not end")]
    [InlineData("a,\"b\"c\n", "Row 1 has text behind a quoted field")]
    [InlineData("Here is your table:\na,b\n1,2\n", "Row 2 has 2 fields")]
    public void What_is_wrong_is_told_with_its_row(string text, string fault) =>
        Assert.Contains(fault, CsvTable.FindFault(text), StringComparison.Ordinal);

    [Theory]
    [InlineData("```csv\na,b\n1,2\n```", "a,b\n1,2\n")]
    [InlineData("\n```\na,b\r\n1,2\n```\n", "a,b\r\n1,2\n")]
    [InlineData("a,b", "a,b")]
    [InlineData("```a,b```", "```a,b```")]
    [InlineData("```csv\na,b", "```csv\na,b")]
    public void A_fence_around_it_is_taken_off(string text, string bare) => Assert.Equal(bare, CsvTable.Unfenced(text));
}
