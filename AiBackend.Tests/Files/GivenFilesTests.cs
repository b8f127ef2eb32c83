using System.Net;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Files;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Providers;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Files;

/// <summary>From an upload through a worker process to what its provider is asked, and back to a file.</summary>
public sealed class GivenFilesTests(GivenFiles stack) : IClassFixture<GivenFiles>
{
    private HttpClient Http => stack.Workers.Api.Http;

    [Fact]
    public async Task A_model_is_given_text_PDF_and_picture_before_the_question()
    {
        var table = await SampleFiles.UploadAsync(Http, "\uFEFFlamp,colour\n1,blue\n", "lamps.csv");
        var manual = await SampleFiles.UploadAsync(Http, SamplePdfs.Of("The filter is full."), "manual.pdf");
        var image = await SampleFiles.UploadAsync(Http, SampleFiles.Png, "dot.png");

        var job = await RunAsync("What is full?", table, manual, image);

        Assert.Equal("completed", job.Status);
        Assert.Equal(["text/csv", "application/pdf", "image/png"], job.Attachments!.Select(file => file.MediaType));
        var parts = Asked("What is full?").GetProperty("content").EnumerateArray().ToList();
        Assert.Equal(["text", "text", "image_url", "text"], parts.Select(part => part.GetProperty("type").GetString()));
        var csv = parts[0].GetProperty("text").GetString()!;
        Assert.StartsWith($"[Attachment {table.Id} begins: lamps.csv, text/csv.", csv, StringComparison.Ordinal);
        Assert.Contains("]\nlamp,colour\n1,blue\n\n[Attachment", csv, StringComparison.Ordinal);
        Assert.Contains("[Page 1]\nThe filter is full.", parts[1].GetProperty("text").GetString(), StringComparison.Ordinal);
        Assert.Equal(
            "data:image/png;base64," + Convert.ToBase64String(SampleFiles.Png),
            parts[2].GetProperty("image_url").GetProperty("url").GetString()
        );
        Assert.Equal("What is full?", parts[3].GetProperty("text").GetString());
    }

    [Fact]
    public async Task Text_alone_stays_one_text()
    {
        var job = await RunAsync("What is it?", await SampleFiles.UploadAsync(Http, "It is a lamp."));

        var content = Asked("What is it?").GetProperty("content");
        Assert.Equal(("completed", JsonValueKind.String), (job.Status, content.ValueKind));
        Assert.Matches("(?s)^\\[Attachment .*\\]\nIt is a lamp.\n\\[Attachment .* ends.\\]\n\nWhat is it\\?$", content.GetString());
    }

    [Fact]
    public async Task A_60_a_PDF_that_cannot_be_read_is_its_senders_error_and_is_tried_once_and_the_worker_lives()
    {
        foreach (
            var (pdf, code) in (IEnumerable<(byte[], string)>)
                [("%PDF-1.7 broken"u8.ToArray(), "attachment_unreadable"), (SamplePdfs.Deep, "attachment_unreadable")]
        )
        {
            var file = await SampleFiles.UploadAsync(Http, pdf, "bad.pdf");

            var job = await RunAsync("Bad?", file);

            Assert.Equal(("failed", 1), (job.Status, job.Attempt));
            Assert.Equal((code, "caller_error", false), (job.Error!.Code, job.Error.Class, job.Error.Retryable));
            Assert.Contains($"{file.Id} (bad.pdf) cannot be read as a PDF", job.Error.Message, StringComparison.Ordinal);
        }

        Assert.Equal("completed", (await RunAsync("Still there?")).Status);
        Assert.DoesNotContain(stack.Provider.Requests, request => request.Body.Contains("Bad?", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_file_that_is_gone_when_the_job_begins_is_its_senders_error()
    {
        var file = await SampleFiles.UploadAsync(Http, "soon gone");
        var later = TimeProvider.System.GetUtcNow().AddHours(1);
        var body = BodyOf("Gone?", [file.Id], $$""","not_before":"{{later:O}}" """);
        using var response = await ApiServer.PostAsync(Http, Encoding.UTF8.GetBytes(body));
        var accepted = await ApiServer.ReadJobAsync(response);
        // As when both happen in the same moment.
        await stack.Workers.ExecuteAsync($"DELETE FROM files WHERE id = '{file.Id}'");
        await stack.Workers.ExecuteAsync($"UPDATE jobs SET due_at = now() WHERE id = '{accepted.Id}'");

        var job = await EndAsync(accepted.Id);

        Assert.Equal(("failed", 1, "attachment_gone", "caller_error"), (job.Status, job.Attempt, job.Error!.Code, job.Error.Class));
    }

    [Theory]
    [InlineData("text/plain", "answer.txt", "text/plain; charset=utf-8")]
    [InlineData("application/json", "answer.json", "application/json; charset=utf-8")]
    [InlineData("text/csv", "answer.csv", "text/csv; charset=utf-8")]
    public async Task An_answer_becomes_a_file_that_is_downloaded(string type, string name, string served)
    {
        var job = await RunAsync("Write!", [], $$""","artifact":{"name":"{{name}}","type":"{{type}}"}""");

        var artifact = Assert.Single(job.Artifacts!);
        using var read = await Http.GetAsync($"/api/v1/files/{artifact.File}/content", TestRun.Cancel);
        var content = await read.Content.ReadAsStringAsync(TestRun.Cancel);
        var file = JsonSerializer.Deserialize(
            await Http.GetStringAsync($"/api/v1/files/{artifact.File}", TestRun.Cancel),
            WireJson.Default.TenantFile
        )!;
        Assert.Equal((name, type, GivenFiles.Answer.Length), (artifact.Name, artifact.MediaType, artifact.Bytes));
        Assert.Equal((GivenFiles.Answer, GivenFiles.Answer), (content, job.Output!.Text));
        Assert.Equal(served, read.Content.Headers.ContentType!.ToString());
        Assert.Equal("attachment", read.Content.Headers.ContentDisposition!.DispositionType);
        Assert.Equal(
            ("artifact", Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(content)))),
            (file.Purpose, file.Sha256)
        );
        Assert.Equal(TimeSpan.FromDays(30), file.ExpiresAt - file.CreatedAt);
    }

    [Fact]
    public async Task A_file_that_a_job_has_made_can_be_given_to_another_one_and_goes_with_its_job()
    {
        var made = await RunAsync("Make!", [], ""","artifact":{"name":"a.txt","type":"text/plain"}""");
        var artifact = Assert.Single(made.Artifacts!);

        var used = await RunAsync("Use!", [artifact.File]);
        // Its provider call is settled a moment after its end.
        await Eventually.TrueAsync(
            async _ => (await Http.DeleteAsync($"/api/v1/jobs/{made.Id}", TestRun.Cancel)).IsSuccessStatusCode,
            "its job is deleted"
        );

        Assert.Equal("completed", used.Status);
        Assert.Contains(GivenFiles.Answer, Asked("Use!").GetProperty("content").GetString(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NotFound, (await Http.GetAsync($"/api/v1/files/{artifact.File}", TestRun.Cancel)).StatusCode);
        Assert.Equal(0, await stack.Workers.ScalarAsync($"SELECT count(*) FROM file_chunks WHERE file_id = '{artifact.File}'"));
    }

    [Fact]
    public async Task A_step_of_a_workflow_gives_its_model_the_files_that_its_run_was_given()
    {
        var file = await SampleFiles.UploadAsync(Http, "It is a green lamp.", "lamp.txt");
        const string Steps = """
            {"steps":[{"name":"look","type":"chat","messages":[{"role":"user","content":"Colour?"}],
                       "attachments":["{{input.file}}","{{input.others}}","{{input.none}}"]}]}
            """;
        using var put = await SendAsync(HttpMethod.Put, "/api/v1/workflows/look", Steps);
        using var wrong = await SendAsync(
            HttpMethod.Put,
            "/api/v1/workflows/wrong",
            Steps.Replace("{{input.none}}", "see {{input.none}}", StringComparison.Ordinal)
        );
        using var begun = await SendAsync(
            HttpMethod.Post,
            "/api/v1/workflows/look/runs",
            $$"""{"input":{"file":"{{file.Id}}","others":["{{file.Id}}"]} }"""
        );
        using var strange = await SendAsync(HttpMethod.Post, "/api/v1/workflows/look/runs", """{"input":{"file":"passwd"} }""");

        var run = await EndAsync((await ApiServer.ReadJobAsync(begun)).Id);
        var failed = await EndAsync((await ApiServer.ReadJobAsync(strange)).Id);

        Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync(TestRun.Cancel));
        Assert.Equal("completed", run.Status);
        Assert.Matches("(?s)^\\[Attachment .*\\]\nIt is a green lamp.\n.*Colour\\?$", Asked("Colour?").GetProperty("content").GetString());
        Assert.Contains("must be one placeholder", (await ApiServer.ReadProblemAsync(wrong)).Detail, StringComparison.Ordinal);
        Assert.Equal("failed", failed.Status);
        Assert.Contains("attachments[0] stands for what is no id of a file", failed.Error!.Message, StringComparison.Ordinal);
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string body)
    {
        using var request = new HttpRequestMessage(method, path) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        return await Http.SendAsync(request, TestRun.Cancel);
    }

    /// <summary>The last message of the call that asked this.</summary>
    private JsonElement Asked(string question) =>
        stack
            .Provider.Requests.Last(request => request.Body.Contains(question, StringComparison.Ordinal))
            .Json.GetProperty("messages")
            .EnumerateArray()
            .Last();

    private Task<Job> RunAsync(string question, params TenantFile[] files) => RunAsync(question, files.Select(file => file.Id));

    private async Task<Job> RunAsync(string question, IEnumerable<Guid> files, string more = "")
    {
        using var response = await ApiServer.PostAsync(Http, Encoding.UTF8.GetBytes(BodyOf(question, files, more)));
        Assert.True(response.StatusCode == HttpStatusCode.Accepted, await response.Content.ReadAsStringAsync(TestRun.Cancel));
        return await EndAsync((await ApiServer.ReadJobAsync(response)).Id);
    }

    private async Task<Job> EndAsync(Guid id)
    {
        using var response = await Http.GetAsync($"/api/v1/jobs/{id}?wait=60", TestRun.Cancel);
        return await ApiServer.ReadJobAsync(response);
    }

    private static string BodyOf(string question, IEnumerable<Guid> files, string more) =>
        $$"""{"type":"chat","input":{"messages":[{"role":"user","content":"{{question}}"}]},"attachments":[{{string.Join(',', files.Select(file => $$"""{"file":"{{file}}"}"""))}}]{{more}}}""";
}

/// <summary>An Api, a worker process, and a provider that always says the same, which is a text, a table and JSON at once.</summary>
public sealed class GivenFiles(PostgresServer postgres) : IAsyncLifetime
{
    public const string Answer = "[1,2]";

    internal RawProvider Provider { get; } = new(RawReply.Stream(Wire.Answer(Wire.OpenAi, Answer)));

    internal WorkersBehindApi Workers { get; private set; } = null!;

    public async ValueTask InitializeAsync() =>
        Workers = await WorkersBehindApi.StartAsync(postgres, Provider.Address, ["m"], workers: 1, ("Files__PdfPatience", "00:01:00"));

    public async ValueTask DisposeAsync()
    {
        await Workers.DisposeAsync();
        await Provider.DisposeAsync();
    }
}
