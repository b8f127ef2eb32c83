using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Reviews;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Reviews;

/// <summary>Jobs of a server that wait for a person, and what people send.</summary>
internal static class OpenReview
{
    public const string Contract =
        """{"schema":{"type":"object","required":["total"],"properties":{"total":{"type":"number"}}},"on_violation":"review"}""";

    public const string Proposal = """{"total":"many"}""";

    /// <summary>A job whose first attempt ended by asking.</summary>
    public static async Task<Review> AddAsync(
        ApiServer api,
        TimeSpan? timeout = null,
        string contract = Contract,
        string proposal = Proposal
    )
    {
        var job = await api.SubmitAsync(ApiServer.Chat.Replace("\"chat\"", "\"chat\",\"contract\":" + contract, StringComparison.Ordinal));
        using var running = await (await api.WorkerAsync()).ClaimAsync(job.Id);
        var check = new ContractCheck { Verdict = Verdicts.Schema, Violations = [new("/total", "type", "is text.")] };
        var question = JsonSerializer.Serialize(
            new ReviewQuestion(ReviewReasons.Contract) { Check = check },
            WireJson.Default.ReviewQuestion
        );
        Assert.True(
            await running.EndAsync(
                AttemptEnd.AskedForReview(new(question, timeout, WaitDefault.Reject), proposal) with
                {
                    Checks = [check],
                }
            )
        );
        return await GetAsync(api.Http, $"{job.Id}-1");
    }

    public static async Task<Review> GetAsync(HttpClient http, string id) =>
        await ReadAsync(await http.GetAsync(new Uri($"/api/v1/reviews/{id}", UriKind.Relative), TestRun.Cancel));

    public static async Task<ReviewPage> ListAsync(HttpClient http, string query = "")
    {
        using var response = await http.GetAsync(new Uri("/api/v1/reviews" + query, UriKind.Relative), TestRun.Cancel);
        var body = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, body);
        return JsonSerializer.Deserialize(body, WireJson.Default.ReviewPage)!;
    }

    public static async Task<Review> ReadAsync(HttpResponseMessage response)
    {
        using (response)
        {
            var body = await response.Content.ReadAsStringAsync(TestRun.Cancel);
            Assert.True(response.IsSuccessStatusCode, body);
            return JsonSerializer.Deserialize(body, WireJson.Default.Review)!;
        }
    }

    public static Task<HttpResponseMessage> PostAsync(HttpClient http, string id, string act, string body = "{}") =>
        http.PostAsync(
            new Uri($"/api/v1/reviews/{id}/{act}", UriKind.Relative),
            act is "claim" or "release" ? null : new StringContent(body, Encoding.UTF8, "application/json"),
            TestRun.Cancel
        );
}
