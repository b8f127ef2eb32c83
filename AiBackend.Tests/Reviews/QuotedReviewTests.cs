using System.Net;
using AiBackend.ApiContracts.Reviews;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Reviews;

/// <summary>What people may quote who change a result.</summary>
public sealed class QuotedReviewTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const string Cited = """{"rules":[{"rule":"cited","path":"/quotes/*"}],"on_violation":"review"}""";

    [Theory]
    // Of the messages alone, it is known what stands there.
    [InlineData("", HttpStatusCode.UnprocessableEntity)]
    // What was looked up is not kept with the job.
    [InlineData(""","retrieve":{"collection":"manuals","limit":3}""", HttpStatusCode.OK)]
    public async Task A_reviewer_answers_for_quotations_of_what_is_not_kept(string more, HttpStatusCode status)
    {
        var review = await OpenReview.AddAsync(api, contract: Cited + more, proposal: """{"quotes":["made up"]}""");

        using var decided = await OpenReview.PostAsync(
            api.Http,
            review.Id,
            "approve",
            """{"version":1,"text":"{\"quotes\":[\"from a passage\"]}"}"""
        );

        Assert.True(decided.StatusCode == status, await decided.Content.ReadAsStringAsync(TestRun.Cancel));
        Assert.Equal(
            status == HttpStatusCode.OK ? ReviewStates.Decided : ReviewStates.Open,
            (await OpenReview.GetAsync(api.Http, review.Id)).State
        );
    }
}
