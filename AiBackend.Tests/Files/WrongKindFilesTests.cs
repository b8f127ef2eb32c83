using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Files;

/// <summary>Files that are not what their names say, and that no model reads: their sender's error, told at once and tried once.</summary>
public sealed class WrongKindFilesTests(GivenFiles stack) : IClassFixture<GivenFiles>
{
    private const string Steps = """
        {"steps":[{"name":"read","type":"chat","max_attempts":5,"messages":[{"role":"user","content":"Kind?"}],"attachments":["{{input.file}}"]}]}
        """;

    private HttpClient Http => stack.Workers.Api.Http;

    /// <summary>Name, content, and what the step's job says of it.</summary>
    public static TheoryData<string, byte[], string, string> Wrong =>
        new()
        {
            { "report.pdf", "%PDF-1.7 and nothing of one"u8.ToArray(), "attachment_unreadable", "cannot be read as a PDF" },
            { "scan.pdf", [0x1F, 0x8B, 8, 0], "attachment_unsupported", "application/octet-stream by its bytes" },
            { "table.csv", "PK\u0003\u0004sheet1"u8.ToArray(), "attachment_unsupported", "application/octet-stream by its bytes" },
            { "latin.csv", [.. "preis,gr"u8, 0xF6, .. "sse\n"u8], "attachment_unsupported", "application/octet-stream by its bytes" },
            { "notes.txt", SampleFiles.Png[..20], "attachment_unsupported", "application/octet-stream by its bytes" },
            { "photo.png", SampleFiles.PngOf(60_000, 60_000), "attachment_unsupported", "application/octet-stream by its bytes" },
            { "photo.jpg", SampleFiles.Jpeg(640, 480)[..1000], "attachment_unsupported", "application/octet-stream by its bytes" },
            { "data.json", "{\"a\":\"\0\"}"u8.ToArray(), "attachment_unsupported", "application/octet-stream by its bytes" },
            { "readme.md", "escape \u001B[2J"u8.ToArray(), "attachment_unsupported", "application/octet-stream by its bytes" },
        };

    /// <summary>Of a step: what a job names itself is refused before there is a job, where its kind is known.</summary>
    [Theory]
    [MemberData(nameof(Wrong))]
    public async Task A_60_a_file_of_a_wrong_kind_is_a_caller_error_tried_once_and_no_provider_is_asked(
        string name,
        byte[] content,
        string code,
        string said
    )
    {
        var file = await SampleFiles.UploadAsync(Http, content, name);
        var workflow = $"kind-{Guid.CreateVersion7():N}";
        var asked = stack.Provider.Requests.Count;
        using var put = await SendAsync(HttpMethod.Put, $"workflows/{workflow}", Steps);
        Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync(TestRun.Cancel));
        using var begun = await SendAsync(HttpMethod.Post, $"workflows/{workflow}/runs", $$"""{"input":{"file":"{{file.Id}}"} }""");

        var run = await EndAsync((await ApiServer.ReadJobAsync(begun)).Id);

        Assert.Equal("failed", run.Status);
        var steps = JsonSerializer.Deserialize(
            await Http.GetStringAsync(new Uri($"/api/v1/jobs/{run.Id}/steps", UriKind.Relative), TestRun.Cancel),
            WireJson.Default.RunSteps
        )!;
        var step = await EndAsync(Assert.Single(steps.Data).JobId!.Value);
        Assert.Equal(("failed", 1), (step.Status, step.Attempt));
        Assert.Equal((code, "caller_error", false), (step.Error!.Code, step.Error.Class, step.Error.Retryable));
        Assert.Contains($"{file.Id} ({name})", step.Error.Message, StringComparison.Ordinal);
        Assert.Contains(said, step.Error.Message, StringComparison.Ordinal);
        Assert.Equal(asked, stack.Provider.Requests.Count);
    }

    private Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string body)
    {
        var request = new HttpRequestMessage(method, $"/api/v1/{path}")
        {
            Content = new StringContent(body, Encoding.UTF8, "application/json"),
        };
        return Http.SendAsync(request, TestRun.Cancel);
    }

    private async Task<Job> EndAsync(Guid id)
    {
        using var response = await Http.GetAsync($"/api/v1/jobs/{id}?wait=60", TestRun.Cancel);
        return await ApiServer.ReadJobAsync(response);
    }
}
