using AiBackend.Core.Jobs;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using AiBackend.Worker.Execution.Tools;

namespace AiBackend.Tests.Tools;

/// <summary>A-63: a model that goes round in circles is stopped, however it does.</summary>
public sealed class ToolLimitsTests
{
    private static readonly ToolTerms Terms = new([]);

    [Theory]
    [InlineData("a a a", "search")]
    [InlineData("a b a b a", "search")]
    [InlineData("a b c a b c a", "search")]
    [InlineData("a b a b c", null)]
    public void A_state_that_comes_a_third_time_ends_the_loop_also_with_others_in_between(string asked, string? stopped)
    {
        var calls = asked.Split(' ').Select((question, round) => Call(question, round + 1)).ToList();

        var error = ToolLimits.Exceeded(new ToolsOptions(), Terms, calls[..^1], [calls[^1]]);

        Assert.Equal(stopped is not null, error is not null);
        Assert.Equal(stopped is null ? null : "tool_limit", error?.Code);
        Assert.Contains(stopped ?? "", error?.Message ?? "", StringComparison.Ordinal);
        Assert.Null(calls.Count > 2 ? ToolLimits.Exceeded(new ToolsOptions(), Terms, calls[..^2], [calls[^2]]) : null);
    }

    [Fact]
    public void White_space_and_the_order_of_members_do_not_make_it_another_question()
    {
        List<ToolCall> calls =
        [
            Call("x", 1) with
            {
                Arguments = """{"q":"x","n":1}""",
            },
            Call("x", 2) with
            {
                Arguments = """{ "n": 1, "q": "x" }""",
            },
            Call("x", 3) with
            {
                Arguments = """{"n":1,"q":"x"}""",
            },
        ];

        Assert.NotNull(ToolLimits.Exceeded(new ToolsOptions(), Terms, calls[..2], [calls[2]]));
    }

    private static ToolCall Call(string question, int round) =>
        new()
        {
            Round = round,
            Position = 0,
            Attempt = 1,
            CallId = $"call_{round}",
            Tool = "search",
            Version = 1,
            Effect = ToolEffect.Read,
            Arguments = $$"""{"q":"{{question}}"}""",
            EffectId = $"e-{round}",
            State = ToolCallState.Recorded,
        };
}
