using System.Globalization;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Tests.EndToEnd;

/// <summary>How limits of a job show in its outcome, through the whole running stack.</summary>
[Collection(StackCollection.Name)]
public sealed class AnswerTests(StackFixture fixture)
{
    private readonly JobClient _client = new(fixture.Stack);

    [Fact]
    public async Task A_deadline_far_away_does_no_harm()
    {
        var id = await _client.SubmitAsync(await _client.TeachWordsAsync(3, 1), deadline: "2999-01-01T00:00:00Z");

        Assert.Equal(JobStatuses.Completed, (await _client.EndAsync(id)).Status);
    }

    [Fact]
    public async Task A_deadline_that_passes_mid_stream_keeps_what_was_written_as_a_partial_result()
    {
        var model = await _client.TeachWordsAsync(2000, 20);
        var reading = await ReadAsync(seconds: 4);
        if (reading.Text.Length < 20)
        {
            // A machine with much else to do had hardly begun then.
            reading = await ReadAsync(seconds: 20);
        }

        var job = reading.Final!;
        Assert.Equal(JobStatuses.PartiallyCompleted, job.Status);
        Assert.StartsWith("word1 word2", job.Output!.Text, StringComparison.Ordinal);
        Assert.Contains("deadline", Assert.Single(job.Output.Missing), StringComparison.Ordinal);
        Assert.Equal(job.Output.Text, reading.Text);

        async Task<Reading> ReadAsync(int seconds)
        {
            var deadline = TimeProvider.System.GetUtcNow().AddSeconds(seconds).ToString("O", CultureInfo.InvariantCulture);
            return await _client.FollowAsync(await _client.SubmitAsync(model, deadline: deadline));
        }
    }

    [Fact]
    public async Task An_answer_cut_by_its_length_limit_says_so()
    {
        var id = await _client.SubmitAsync(await _client.TeachWordsAsync(50, 1), maxOutputTokens: 5);

        var job = await _client.EndAsync(id);

        Assert.Equal(JobStatuses.PartiallyCompleted, job.Status);
        Assert.Equal(JobClient.Words(5), job.Output!.Text.TrimEnd());
        Assert.Contains("limit of output tokens", Assert.Single(job.Output.Missing), StringComparison.Ordinal);
    }
}
