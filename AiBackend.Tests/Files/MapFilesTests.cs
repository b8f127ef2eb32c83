using System.Net;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Files;

/// <summary>Files of the items of a map: each is given its own and no other's.</summary>
public sealed class MapFilesTests(GivenFiles stack) : IClassFixture<GivenFiles>
{
    private const string Inner =
        """{"type":"chat","messages":[{"role":"user","content":"Colour of {{item.name}}?"}],"attachments":["{{item.file}}","{{input.manual}}"]}""";

    private static readonly string Steps = $$$"""
        {"steps":[{"name":"each","type":"map","over":"{{input.lamps}}","on_failure":"skip","step":{{{Inner}}} }],"output":"{{steps.each}}"}
        """;

    private HttpClient Http => stack.Workers.Api.Http;

    [Fact]
    public async Task Each_item_s_model_is_given_the_item_s_own_file_and_what_all_have_in_common()
    {
        // Names that are in no request but those of this test.
        string[] names = [.. Enumerable.Range(0, 4).Select(i => $"lamp-{Guid.CreateVersion7():N}-{i}")];
        var manual = await SampleFiles.UploadAsync(Http, "All lamps are bright.", "manual.txt");
        var green = await SampleFiles.UploadAsync(Http, "It is a green lamp.", "green.txt");
        var picture = await SampleFiles.UploadAsync(Http, SampleFiles.Png, "dot.png");
        var broken = await SampleFiles.UploadAsync(Http, "%PDF-1.7 broken"u8.ToArray(), "broken.pdf");
        await PutAsync("each", Steps);

        var run = await RunAsync(
            "each",
            $$"""
            {"manual":"{{manual.Id}}","lamps":[{"name":"{{names[0]}}","file":"{{green.Id}}"},{"name":"{{names[
                1
            ]}}","file":"{{picture.Id}}"},
                                               {"name":"{{names[2]}}"},{"name":"{{names[3]}}","file":"{{broken.Id}}"}]}
            """
        );

        var steps = JsonSerializer.Deserialize(
            await Http.GetStringAsync(new Uri($"/api/v1/jobs/{run.Id}/steps", UriKind.Relative), TestRun.Cancel),
            WireJson.Default.RunSteps
        )!;
        var items = steps.Data.Where(step => step.Index is not null).OrderBy(step => step.Index).ToList();
        Assert.Equal(
            [RunStepStatuses.Succeeded, RunStepStatuses.Succeeded, RunStepStatuses.Succeeded, RunStepStatuses.Failed],
            items.Select(item => item.Status)
        );
        // What is wrong with one item's file is that item's alone.
        Assert.Contains($"{broken.Id} (broken.pdf) cannot be read as a PDF", items[3].Error, StringComparison.Ordinal);
        Assert.Equal("partially_completed", run.Status);
        var given = new List<Guid[]>();
        foreach (var item in items)
        {
            using var response = await Http.GetAsync(new Uri($"/api/v1/jobs/{item.JobId}", UriKind.Relative), TestRun.Cancel);
            given.Add([.. (await ApiServer.ReadJobAsync(response)).Attachments!.Select(file => file.File)]);
        }

        Guid[][] expected =
        [
            [green.Id, manual.Id],
            [picture.Id, manual.Id],
            [manual.Id],
            [broken.Id, manual.Id],
        ];
        Assert.Equal(expected, given);
        // What the provider was really sent.
        Assert.Equal((true, true, false), Asked(names[0]));
        Assert.Equal((true, false, true), Asked(names[1]));
        Assert.Equal((true, false, false), Asked(names[2]));
        Assert.DoesNotContain(stack.Provider.Requests, request => request.Body.Contains(names[3], StringComparison.Ordinal));
    }

    [Theory]
    // The map itself asks no model.
    [InlineData("\"over\":\"{{input.lamps}}\"", "\"over\":\"{{input.lamps}}\",\"attachments\":[\"{{input.manual}}\"]", "attachments")]
    [InlineData("{{item.file}}", "see {{item.file}}", "must be one placeholder")]
    [InlineData("{{item.file}}", "manual.txt", "attachments")]
    [InlineData(
        "\"type\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"Colour of {{item.name}}?\"}]",
        "\"type\":\"tool\",\"tool\":\"t\"",
        "attachments"
    )]
    public async Task A_map_that_could_not_give_them_is_refused_when_it_is_put(string good, string bad, string fault)
    {
        Assert.Contains(good, Steps, StringComparison.Ordinal);

        using var response = await SendAsync(HttpMethod.Put, "/api/v1/workflows/wrong", Steps.Replace(good, bad, StringComparison.Ordinal));

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Contains(fault, (await ApiServer.ReadProblemAsync(response)).Detail, StringComparison.Ordinal);
    }

    /// <summary>Whether the call about this lamp had the manual, the text of the green one, and a picture.</summary>
    private (bool Manual, bool Green, bool Picture) Asked(string name)
    {
        var body = Assert.Single(stack.Provider.Requests, request => request.Body.Contains(name, StringComparison.Ordinal)).Body;
        return (
            body.Contains("All lamps are bright.", StringComparison.Ordinal),
            body.Contains("It is a green lamp.", StringComparison.Ordinal),
            body.Contains("image_url", StringComparison.Ordinal)
        );
    }

    private async Task PutAsync(string workflow, string definition)
    {
        using var put = await SendAsync(HttpMethod.Put, $"/api/v1/workflows/{workflow}", definition);
        Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync(TestRun.Cancel));
    }

    private async Task<Job> RunAsync(string workflow, string input)
    {
        using var begun = await SendAsync(HttpMethod.Post, $"/api/v1/workflows/{workflow}/runs", $$"""{"input":{{input}} }""");
        using var ended = await Http.GetAsync(
            new Uri($"/api/v1/jobs/{(await ApiServer.ReadJobAsync(begun)).Id}?wait=60", UriKind.Relative),
            TestRun.Cancel
        );
        return await ApiServer.ReadJobAsync(ended);
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string body)
    {
        using var request = new HttpRequestMessage(method, path) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        return await Http.SendAsync(request, TestRun.Cancel);
    }
}
