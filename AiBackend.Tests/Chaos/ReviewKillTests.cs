using System.Net;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Reviews;
using AiBackend.Tests.Api;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Reviews;
using AiBackend.Tests.Web.Browser;

namespace AiBackend.Tests.Chaos;

/// <summary>An Api that dies when a reviewer's decision is committed and nobody was told (F-1 at K21).</summary>
[Collection(StackCollection.Name)]
public sealed class ReviewKillTests(StackFixture fixture) : IDisposable
{
    private readonly Stack _stack = fixture.Stack;
    private readonly JobClient _client = new(fixture.Stack);
    private readonly FaultInjection _faults = new(fixture.Stack);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task F_1_a_decision_whose_Api_dies_before_it_tells_anybody_counts_once_and_the_job_goes_on(bool again)
    {
        var model = await _stack.TeachTextAsync("Not the data.", 1);
        var id = await SubmitAsync(model);
        var first = await WaitAsync(id, 1);
        await _faults.ArmAsync("api", "K21:kill");

        await Assert.ThrowsAnyAsync<HttpRequestException>(() => DecideAsync(first, again));
        await _faults.ReachedAsync("K21");

        if (again)
        {
            // The model answers as before, so the next attempt asks again: there is exactly one.
            var second = await WaitAsync(id, 2);
            Assert.Equal(ReviewStates.Open, second.State);
            Assert.Equal(2, (await _client.TraceAsync(id)).Attempts.Count);
            using var ended = await DecideAsync(second, again: false);
            Assert.Equal(HttpStatusCode.OK, ended.StatusCode);
        }

        var job = await _client.EndAsync(id);
        Assert.Equal((JobStatuses.Completed, "Not the data."), (job.Status, job.Output!.Text));
        Assert.Equal(1, (await _client.FollowAsync(id)).Finals);
        using var repeat = await DecideAsync(first, again);
        Assert.Equal("review_decided", (await ApiServer.ReadProblemAsync(repeat)).Code);
    }

    public void Dispose() => _faults.Dispose();

    private async Task<Guid> SubmitAsync(string model)
    {
        using var accepted = await _stack.Api.PostAsync(
            new Uri("/api/v1/jobs", UriKind.Relative),
            new StringContent(
                $$"""{"type":"chat","model":"{{model}}","input":{"messages":[{"role":"user","content":"Go on."}]},"contract":{"schema":{"type":"object"},"on_violation":"review"} }""",
                System.Text.Encoding.UTF8,
                "application/json"
            ),
            TestRun.Cancel
        );
        return (await ApiServer.ReadJobAsync(accepted)).Id;
    }

    private Task<Review> WaitAsync(Guid id, int attempt) =>
        Eventually.GetAsync(
            async token =>
            {
                var path = new Uri($"/api/v1/reviews/{id}-{attempt}", UriKind.Relative);
                using var response = await _stack.Api.GetAsync(path, token);
                return response.IsSuccessStatusCode ? await OpenReview.GetAsync(_stack.Api, $"{id}-{attempt}") : null;
            },
            review => review is not null,
            $"attempt {attempt} asks a person",
            TimeSpan.FromSeconds(60)
        )!;

    private Task<HttpResponseMessage> DecideAsync(Review review, bool again) =>
        again
            ? OpenReview.PostAsync(
                _stack.Api,
                review.Id,
                "reject",
                $$"""{"version":{{review.Version}},"continue":true,"comment":"As data."}"""
            )
            : OpenReview.PostAsync(_stack.Api, review.Id, "approve", $$"""{"version":{{review.Version}}}""");
}
