using AiBackend.ApiContracts.Jobs;
using AiBackend.Web.Answers;
using AiBackend.Web.Runs;

namespace AiBackend.Tests.Web;

public sealed class AnnouncementsTests
{
    [Fact]
    public void U_28_a_stream_of_thirty_seconds_is_told_in_few_and_whole_pieces()
    {
        var announcements = new Announcements();
        var said = new List<string>();
        for (var tick = 0; tick <= 300; tick++)
        {
            var settled = Enumerable.Range(0, tick / 20).Select(at => new AnswerBlock("", $"Paragraph {at} is whole.", true));
            var run = new RunView
            {
                Job = Jobs.Some(JobStatuses.Processing),
                Status = tick == 300 ? JobStatuses.Completed : JobStatuses.Processing,
                Answer = [.. settled, new AnswerBlock("", "half a", false)],
            };
            if (announcements.Next(run, Jobs.CreatedAt.AddMilliseconds(tick * 100)) is { } text)
            {
                said.Add(text);
            }
        }

        Assert.InRange(said.Count, 1, 20);
        Assert.All(said, text => Assert.True(text.Split(' ').Length >= 2, text));
        Assert.DoesNotContain(said, text => text.Contains("half", StringComparison.Ordinal));
        Assert.Contains("Done", said[^1], StringComparison.Ordinal);
    }

    [Fact]
    public void Another_attempt_is_told_from_its_first_block()
    {
        var announcements = new Announcements();
        var first = Writing(1, "One of the first.", "Two of the first.");
        announcements.Next(first, Jobs.CreatedAt);

        var said = announcements.Next(Writing(2, "One of the second."), Jobs.CreatedAt.AddSeconds(10));

        Assert.Contains("One of the second.", said, StringComparison.Ordinal);
    }

    private static RunView Writing(int attempt, params string[] blocks) =>
        new()
        {
            Job = Jobs.Some(JobStatuses.Processing),
            Status = JobStatuses.Processing,
            Attempt = attempt,
            Answer = [.. blocks.Select(text => new AnswerBlock("", text, true))],
        };

    [Fact]
    public void A_page_opened_after_the_end_announces_nothing()
    {
        var run = new RunView
        {
            Job = Jobs.Some(JobStatuses.Completed),
            Status = JobStatuses.Completed,
            Answer = [new AnswerBlock("", "All of it.", true)],
        };

        Assert.Null(new Announcements().Next(run, Jobs.CreatedAt));
    }
}
