using AiBackend.ApiContracts.DeadLetters;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Web.DeadLetters;

namespace AiBackend.Tests.Web;

public sealed class LetterWordsTests
{
    [Theory]
    [InlineData(0, 0, 0, null, "Nothing is left to replay.")]
    [InlineData(3, 0, 0, null, "What a replay costs is unknown: none of these jobs got far enough to use tokens.")]
    [InlineData(3, 3, 3, "0.5", "Before, these jobs used 1 200 tokens in and 30 out, $0.50.")]
    [InlineData(3, 2, 1, "0.5", "Before, these jobs used 1 200 tokens in and 30 out, $0.50. For 2 jobs it is not known.")]
    [InlineData(3, 2, 0, null, "Before, these jobs used 1 200 tokens in and 30 out, at an unknown price. For 1 job it is not known.")]
    public void What_is_not_known_of_a_replay_is_said(long letters, long withUsage, long withCost, string? cost, string words)
    {
        var usd = cost is null ? (decimal?)null : decimal.Parse(cost, System.Globalization.CultureInfo.InvariantCulture);

        Assert.Equal(words, LetterWords.Preview(new BulkPreview(letters, withUsage, 1200, 30, withCost, usd)));
    }

    [Fact]
    public void An_edit_changes_the_last_thing_a_user_said_and_nothing_else()
    {
        var input = new ChatInput
        {
            Messages =
            [
                new() { Role = "system", Content = "Be brief." },
                new() { Role = "user", Content = "Old." },
                new() { Role = "assistant", Content = "Go on." },
            ],
            MaxOutputTokens = 9,
        };

        var edit = ReplayEdit.Of(input, "New.", "");

        Assert.Equal("Old.", ReplayEdit.TextOf(input));
        Assert.Null(edit.Model);
        Assert.Equal(
            """{"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"New."},{"role":"assistant","content":"Go on."}],"max_output_tokens":9,"temperature":null}""",
            edit.Input!.Value.GetRawText()
        );
    }
}
