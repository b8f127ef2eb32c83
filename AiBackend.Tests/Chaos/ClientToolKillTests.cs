using System.Net;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Tools;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Chaos;

/// <summary>An Api that dies when a client's result of a tool is written down: the client posts it again, as it must, and it counts once.</summary>
[Collection(StackCollection.Name)]
public sealed class ClientToolKillTests(StackFixture fixture) : IDisposable
{
    private readonly Stack _stack = fixture.Stack;
    private readonly JobClient _client = new(fixture.Stack);
    private readonly FaultInjection _faults = new(fixture.Stack);

    [Theory]
    // The result is committed, and the job was not told: whoever posts it again tells it.
    [InlineData("K35", JobStatuses.WaitingForTool)]
    // The job was told, and nobody else.
    [InlineData("K21", JobStatuses.Completed)]
    public async Task I_5_a_result_that_is_posted_twice_over_a_crash_counts_once(string point, string without)
    {
        var model = $"sim-{Guid.CreateVersion7():N}";
        await SendAsync(_stack.Simulator, HttpMethod.Put, $"/sim/behaviours/{model}", """{"tools":"first","words":3}""");
        var tool = $"t{Guid.CreateVersion7():N}"[..20];
        await SendAsync(
            _stack.Api,
            HttpMethod.Put,
            $"/api/v1/tools/{tool}",
            """{"kind":"client","effect":"external_wait","description":"Asks.","timeout_seconds":600,"parameters":{"type":"object"}}"""
        );
        var job = await SendAsync(
            _stack.Api,
            HttpMethod.Post,
            "/api/v1/jobs",
            $$"""{"type":"chat","model":"{{model}}","input":{"messages":[{"role":"user","content":"Go on."}],"tools":["{{tool}}"]} }"""
        );
        var id = job.GetProperty("id").GetGuid();
        await StandsAsync(id, JobStatuses.WaitingForTool);
        var call = Assert.Single(await CallsAsync(id));
        await _faults.ArmAsync("api", $"{point}:kill");

        await Assert.ThrowsAnyAsync<HttpRequestException>(() => PostAsync(id, call, "first"));
        await _faults.ReachedAsync(point);
        await StandsAsync(id, without);
        using var again = await PostAsync(id, call, "first");
        using var other = await PostAsync(id, call, "second");

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (again.StatusCode, other.StatusCode));
        var ended = await _client.EndAsync(id);
        Assert.Equal(JobStatuses.Completed, ended.Status);
        Assert.Equal(1, (await _client.FollowAsync(id)).Finals);
        var done = Assert.Single(await CallsAsync(id));
        Assert.Equal((ToolCallStates.Done, "first"), (done.State, done.Result));
        // One attempt asked, and one went on.
        Assert.Equal(2, (await _client.TraceAsync(id)).Attempts.Count);
    }

    public void Dispose() => _faults.Dispose();

    private Task<HttpResponseMessage> PostAsync(Guid id, JobToolCall call, string output) =>
        _stack.Api.PostAsync(
            new Uri($"/api/v1/jobs/{id}/tool-results", UriKind.Relative),
            new StringContent($$"""{"tool_call_id":"{{call.ToolCallId}}","output":"{{output}}"}""", Encoding.UTF8, "application/json"),
            TestRun.Cancel
        );

    private async Task StandsAsync(Guid id, string status) =>
        await Eventually.GetAsync(
            async token =>
            {
                try
                {
                    return await _client.GetAsync(id, token);
                }
                catch (HttpRequestException)
                {
                    // The Api is being started again.
                    return null;
                }
            },
            job => job?.Status == status,
            $"the job is {status}",
            TimeSpan.FromSeconds(60)
        );

    private async Task<IReadOnlyList<JobToolCall>> CallsAsync(Guid id) =>
        JsonSerializer
            .Deserialize(await _stack.Api.GetStringAsync($"/api/v1/jobs/{id}/tool-calls", TestRun.Cancel), WireJson.Default.JobToolCalls)!
            .Data;

    private static async Task<JsonElement> SendAsync(HttpClient http, HttpMethod method, string path, string body)
    {
        using var request = new HttpRequestMessage(method, path) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        using var response = await http.SendAsync(request, TestRun.Cancel);
        var text = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, text);
        return text.Length == 0 ? default : JsonElement.Parse(text);
    }
}
