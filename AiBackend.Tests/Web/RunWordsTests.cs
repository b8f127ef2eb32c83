using AiBackend.ApiContracts.Jobs;
using AiBackend.Web.Runs;

namespace AiBackend.Tests.Web;

public sealed class RunWordsTests
{
    [Theory]
    [InlineData(0.0, "0 s")]
    [InlineData(0.012, "12 ms")]
    [InlineData(0.42, "0.4 s")]
    [InlineData(12.4, "12 s")]
    [InlineData(59.7, "1 min")]
    [InlineData(60, "1 min")]
    [InlineData(119.8, "2 min")]
    [InlineData(185, "3 min 5 s")]
    [InlineData(7440, "2 h 4 min")]
    public void A_duration_has_a_unit_and_no_more_digits_than_help(double seconds, string words) =>
        Assert.Equal(words, RunWords.Duration(TimeSpan.FromSeconds(seconds)));

    [Theory]
    [InlineData("tool_calls", "The model asked for tools")]
    [InlineData("waiting_for_tool", "The model asked for tools")]
    [InlineData("contract_violation", "The answer broke its contract")]
    [InlineData("worker_lost", "First try was interrupted")]
    [InlineData("a_newer_reason", "First try was given up")]
    public void A_text_that_no_longer_counts_says_why(string reason, string begin) =>
        Assert.StartsWith(begin, RunWords.Abandoned(new ResetEvent(1, reason)), StringComparison.Ordinal);

    [Theory]
    [InlineData(0, "Waiting, next in line")]
    [InlineData(1, "Waiting, about 2nd in line")]
    [InlineData(2, "Waiting, about 3rd in line")]
    [InlineData(10, "Waiting, about 11th in line")]
    [InlineData(20, "Waiting, about 21st in line")]
    public void A_waiting_run_says_its_place(long ahead, string words) =>
        Assert.Equal(words, Sentence(JobStatuses.Queued, new QueuePlace(ahead, null, null, "capacity"), "capacity"));

    [Fact]
    public void U_30_a_waiting_run_says_how_long_and_why() =>
        Assert.Equal(
            "Waiting, about 3rd in line, about 20 s to 40 s. The model provider limits how fast we may ask",
            Sentence(JobStatuses.Queued, new QueuePlace(2, 20, 40, null), "rate_limit:openai/gpt-x:tpm")
        );

    [Theory]
    [InlineData(JobStatuses.Queued, "paused:model/gpt-x", "Waiting. An operator paused the model gpt-x")]
    [InlineData(JobStatuses.Retrying, "tool_rate:send", "The tool is called only so often a minute, so this waits; calls it at 09:30")]
    [InlineData(JobStatuses.Retrying, "paused:provider/openai", "An operator paused the model provider, so this waits until it is resumed")]
    public void A_run_that_is_held_back_says_by_what(string status, string reason, string words) =>
        Assert.Equal(words, Sentence(status, new QueuePlace(null, null, null, reason), reason));

    [Fact]
    public void Every_status_of_the_wire_has_words_of_its_own()
    {
        string[] statuses =
        [
            JobStatuses.Scheduled,
            JobStatuses.Queued,
            JobStatuses.Processing,
            JobStatuses.WaitingForTool,
            JobStatuses.WaitingForReview,
            JobStatuses.Retrying,
            JobStatuses.Completed,
            JobStatuses.PartiallyCompleted,
            JobStatuses.Failed,
            JobStatuses.Cancelled,
        ];

        var words = statuses.Select(RunWords.Status).ToList();

        Assert.Equal(statuses.Length, words.Distinct(StringComparer.Ordinal).Count());
        Assert.All(words, word => Assert.DoesNotContain('_', word));
    }

    [Theory]
    [InlineData("0", "$0")]
    [InlineData("0.0012", "$0.0012")]
    [InlineData("1234.5", "$1,234.50")]
    public void Money_has_as_many_digits_as_small_amounts_need(string usd, string words) =>
        Assert.Equal(words, RunWords.Cost(decimal.Parse(usd, System.Globalization.CultureInfo.InvariantCulture)));

    [Theory]
    [InlineData(10_000, 10_000, "100 %")]
    [InlineData(9_996, 10_000, "99.9 %")]
    [InlineData(0, 3, "0 %")]
    [InlineData(1, 3, "33.3 %")]
    public void A_share_is_whole_only_when_it_is(long part, long all, string words) => Assert.Equal(words, RunWords.Share(part, all));

    [Fact]
    public void A_cost_nobody_knows_is_not_shown_as_nothing() => Assert.Equal("unknown", RunWords.Cost(null));

    [Fact]
    public void A_wait_for_a_providers_limit_says_the_place_in_its_line_or_its_turn()
    {
        const string Limit = "rate_limit:openai/gpt:tokens_per_minute";

        Assert.Equal(
            "The model provider limits how fast we may ask, about 3rd in line, about 20 s to 40 s",
            Sentence(JobStatuses.Retrying, new QueuePlace(2, 20, 40, Limit), Limit)
        );
        Assert.Equal(
            "The model provider limits how fast we may ask; its turn is at 09:30",
            Sentence(JobStatuses.Retrying, new QueuePlace(null, null, null, Limit), Limit)
        );
    }

    private static string Sentence(string status, QueuePlace queue, string reason) =>
        RunWords.Sentence(
            new RunView
            {
                Status = status,
                WaitingReason = reason,
                NextAttemptAt = new DateTimeOffset(2026, 1, 1, 9, 30, 0, TimeSpan.Zero),
                Job = Jobs.Some(status) with { Queue = queue },
            },
            at => at.ToString("HH:mm", System.Globalization.CultureInfo.InvariantCulture)
        );
}
