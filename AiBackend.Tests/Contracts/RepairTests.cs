using AiBackend.ApiContracts.Contracts;

namespace AiBackend.Tests.Contracts;

/// <summary>What is mended without asking the model again, and what is not.</summary>
public sealed class RepairTests
{
    private const string Order =
        """{"type":"object","properties":{"total":{"type":"number"},"paid":{"type":"boolean"},"note":{"type":"string"}},"required":["total"],"additionalProperties":false}""";

    public static TheoryData<string, string, string> Mended =>
        new()
        {
            { "```json\n{\"total\": 3}\n```", "{\"total\": 3}", Repairs.Fence },
            { "```\n{\"total\": 3}\n```\n", "{\"total\": 3}", Repairs.Fence },
            { "Sure! Here it is: {\"total\": 3} Anything else?", "{\"total\": 3}", Repairs.SurroundingText },
            { "{\"total\": 3}\n\nI hope that helps {smile}", "{\"total\": 3}", Repairs.SurroundingText },
            { "{\"note\":\"a } brace\",\"total\":3} done", "{\"note\":\"a } brace\",\"total\":3}", Repairs.SurroundingText },
            { "{\"total\":3,}", "{\"total\":3}", Repairs.TrailingComma },
            { "{\"total\":\"3.50\"}", "{\"total\":3.50}", Repairs.TextForValue },
            { "{\"total\":3,\"paid\":\"true\"}", "{\"total\":3,\"paid\":true}", Repairs.TextForValue },
        };

    [Theory]
    [MemberData(nameof(Mended))]
    public void What_says_the_right_thing_in_the_wrong_form_is_mended_and_says_how(string text, string output, string repair)
    {
        var found = Contract.Check(Contract.OfSchema(Order), text);

        Assert.True(found.IsValid, string.Join(' ', found.Check.Violations.Select(each => each.Message)));
        Assert.Equal((output, repair), (found.Text, Assert.Single(found.Check.Repaired)));
        // Who wants no mending gets none.
        Assert.False(Contract.Check(Contract.OfSchema(Order, "fail"), text).IsValid);
    }

    [Theory]
    [InlineData("I cannot do that.", Verdicts.Parse)]
    [InlineData("", Verdicts.Parse)]
    [InlineData("{\"total\":", Verdicts.Parse)]
    [InlineData("{\"total\":3,\"total\":4}", Verdicts.Parse)]
    [InlineData("{\"total\":\"three\"}", Verdicts.Schema)]
    [InlineData("{\"total\":\"[3]\"}", Verdicts.Schema)]
    [InlineData("{\"total\":3,\"more\":1}", Verdicts.Schema)]
    public void No_value_is_guessed(string text, string verdict)
    {
        var found = Contract.Check(Contract.OfSchema(Order), text);

        Assert.Equal(verdict, found.Check.Verdict);
        Assert.NotEmpty(found.Check.Violations);
    }

    [Fact]
    public void A_text_that_may_be_a_text_stays_one() =>
        Assert.Equal("{\"total\":3,\"note\":\"7\"}", Contract.Check(Contract.OfSchema(Order), "{\"total\":3,\"note\":\"7\"}").Text);

    [Theory]
    [InlineData("length", Verdicts.Truncation)]
    [InlineData("content_filter", Verdicts.Refusal)]
    [InlineData("refusal", Verdicts.Refusal)]
    [InlineData("stop", Verdicts.Parse)]
    public void Why_an_answer_ended_decides_what_is_wrong_with_it(string finish, string verdict) =>
        Assert.Equal(verdict, Contract.Check(Contract.OfSchema(Order), "{\"total\":", finish).Check.Verdict);

    [Fact]
    public void What_is_whole_is_valid_also_when_it_ended_at_its_limit() =>
        Assert.True(Contract.Check(Contract.OfSchema(Order), "{\"total\":3}", "length").IsValid);
}
