using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Tests.Api;
using AiBackend.Tests.Files;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.OpenAiApi;

/// <summary>Pictures and files in the messages of OpenAI's clients, from the request to what the provider is asked.</summary>
public sealed class SentFilesTests(GivenFiles stack) : IClassFixture<GivenFiles>
{
    private static readonly string Picture = "data:image/png;base64," + Convert.ToBase64String(SampleFiles.Png);

    private HttpClient Http => stack.Workers.Api.Http;

    [Fact]
    public async Task A_picture_in_a_message_reaches_the_model_in_its_message_and_is_stored_once_however_often_it_is_sent()
    {
        var body = Chat(
            $$"""
            {"role":"user","content":[{"type":"text","text":"Which colour?"},{"type":"image_url","image_url":{"url":"{{Picture}}","detail":"low"} }]},
            {"role":"assistant","content":"Blue."},
            {"role":"user","content":"Which shade?"}
            """
        );

        var first = await PostAsync("/v1/chat/completions", body, "once");
        var repeat = await PostAsync("/v1/chat/completions", body, "once");
        var again = await PostAsync("/v1/chat/completions", body);

        var job = await JobAsync(first);
        Assert.Equal(job.Id, (await JobAsync(repeat)).Id);
        var file = Assert.Single(job.Attachments!);
        Assert.Equal(("image/png", SampleFiles.Png.Length, 1), (file.MediaType, file.Bytes, file.InMessages));
        Assert.Equal(file.File, Assert.Single((await JobAsync(again)).Attachments!).File);
        Assert.Equal(
            1,
            await stack.Workers.ScalarAsync(
                $"SELECT count(*) FROM files f JOIN file_chunks c ON c.file_id = coalesce(f.content_id, f.id) WHERE f.id = '{file.File}'"
            )
        );
        var asked = Asked("Which shade?");
        var parts = asked[0].GetProperty("content").EnumerateArray().ToList();
        Assert.Equal(["image_url", "text"], parts.Select(part => part.GetProperty("type").GetString()));
        Assert.Equal(Picture, parts[0].GetProperty("image_url").GetProperty("url").GetString());
        Assert.Equal("low", parts[0].GetProperty("image_url").GetProperty("detail").GetString());
        Assert.Equal(JsonValueKind.String, asked[2].GetProperty("content").ValueKind);
    }

    [Fact]
    public async Task An_uploaded_file_and_one_that_comes_along_are_given_as_their_text()
    {
        using var form = new MultipartFormDataContent
        {
            { new ByteArrayContent("The lamp is green."u8.ToArray()), "file", "lamp.txt" },
            { new StringContent("user_data"), "purpose" },
        };
        using var uploaded = await Http.PostAsync("/v1/files", form, TestRun.Cancel);
        var file = JsonElement.Parse(await uploaded.Content.ReadAsStringAsync(TestRun.Cancel));
        var table = "data:text/csv;base64," + Convert.ToBase64String("lamp,price\n1,9\n"u8);

        var answer = await PostAsync(
            "/v1/chat/completions",
            Chat(
                $$"""
                {"role":"user","content":[{"type":"file","file":{"file_id":"{{file.GetProperty("id").GetString()}}"} },
                                          {"type":"file","file":{"file_data":"{{table}}","filename":"prices.csv"} },
                                          {"type":"text","text":"How much is it?"}]}
                """
            )
        );

        Assert.Equal("user_data", file.GetProperty("purpose").GetString());
        Assert.Equal(["text/plain", "text/csv"], (await JobAsync(answer)).Attachments!.Select(each => each.MediaType));
        var content = Asked("How much is it?")[0].GetProperty("content").GetString()!;
        Assert.Contains("lamp.txt, text/plain", content, StringComparison.Ordinal);
        Assert.Contains("The lamp is green.", content, StringComparison.Ordinal);
        Assert.Contains("prices.csv, text/csv", content, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_response_keeps_the_name_of_its_picture_and_the_next_one_takes_it_over()
    {
        var first = await PostAsync(
            "/v1/responses",
            $$"""{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"What is this?"},{"type":"input_image","image_url":"{{Picture}}"}]}]}"""
        );
        var id = first.Body.GetProperty("id").GetString();

        await PostAsync("/v1/responses", $$"""{"model":"m","previous_response_id":"{{id}}","input":"And now?"}""");

        var items = await Http.GetStringAsync($"/v1/responses/{id}/input_items", TestRun.Cancel);
        var parts = JsonElement.Parse(items).GetProperty("data")[0].GetProperty("content");
        Assert.Equal($"file-{Assert.Single((await JobAsync(first)).Attachments!).File:N}", parts[1].GetProperty("file_id").GetString());
        Assert.False(parts[1].TryGetProperty("image_url", out _));
        var asked = Asked("And now?");
        Assert.Equal(Picture, asked[0].GetProperty("content")[0].GetProperty("image_url").GetProperty("url").GetString());
        Assert.Equal("And now?", asked[2].GetProperty("content").GetString());
    }

    [Fact]
    public async Task A_picture_that_was_deleted_and_is_sent_again_takes_nothing_from_an_equal_one()
    {
        var bytes = SampleFiles.PngOf(3, 3);
        var body = Chat(
            $$"""
            {"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,{{Convert.ToBase64String(bytes)}}"} }]}
            """
        );
        var first = Assert.Single((await JobAsync(await PostAsync("/v1/chat/completions", body))).Attachments!).File;
        var equal = await SampleFiles.UploadAsync(Http, bytes, "equal.png");
        using var deleted = await Http.DeleteAsync($"/api/v1/files/{first}", TestRun.Cancel);

        var again = Assert.Single((await JobAsync(await PostAsync("/v1/chat/completions", body))).Attachments!).File;

        Assert.Equal((HttpStatusCode.NoContent, first), (deleted.StatusCode, again));
        Assert.Equal(bytes, await Http.GetByteArrayAsync($"/api/v1/files/{first}/content", TestRun.Cancel));
        Assert.Equal(bytes, await Http.GetByteArrayAsync($"/api/v1/files/{equal.Id}/content", TestRun.Cancel));
    }

    [Fact]
    public async Task Many_requests_at_once_with_the_same_new_picture_store_it_once()
    {
        var bytes = SampleFiles.PngOf(5, 5).Concat(new byte[400_000]).ToArray();
        var picture = "data:image/png;base64," + Convert.ToBase64String(bytes);

        string Body(int i) =>
            Chat(
                $$"""{"role":"user","content":[{"type":"text","text":"{{i}}"},{"type":"image_url","image_url":{"url":"{{picture}}"} }]}"""
            );
        var jobs = await Task.WhenAll(Enumerable.Range(0, 8).Select(AskAsync));

        var file = Assert.Single(jobs.Select(job => Assert.Single(job.Attachments!).File).Distinct());
        Assert.Equal(bytes, await Http.GetByteArrayAsync($"/api/v1/files/{file}/content", TestRun.Cancel));

        // As the answer asks for when Postgres has too much to do for a moment: again, with the same key.
        async Task<Job> AskAsync(int i)
        {
            var answer = await PostAsync("/v1/chat/completions", Body(i), $"picture-{i}");
            return answer.Status == HttpStatusCode.ServiceUnavailable ? await AskAsync(i) : await JobAsync(answer);
        }
    }

    [Fact]
    public async Task What_is_told_several_times_counts_as_often()
    {
        var file = await SampleFiles.UploadAsync(Http, new string('x', 400_000), "large.txt");
        var said = $$"""{"role":"user","content":[{"type":"file","file":{"file_id":"file-{{file.Id:N}}"} }]}""";
        var twice = said.Replace("]}", $$""",{"type":"file","file":{"file_id":"file-{{file.Id:N}}"} }]}""", StringComparison.Ordinal);

        var fits = await PostAsync("/v1/chat/completions", Chat($"{said},{said}"));
        var tooMuch = await PostAsync("/v1/chat/completions", Chat($"{said},{said},{said}"));
        var once = await PostAsync("/v1/chat/completions", Chat(twice));

        Assert.Equal(2, Assert.Single((await JobAsync(fits)).Attachments!).InMessages);
        Assert.Equal("attachments_too_large", Code(tooMuch.Body));
        Assert.Equal("invalid_value", Code(once.Body));
        Assert.Contains("once more", once.Body.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_request_of_several_megabytes_is_read_when_they_are_files_and_refused_when_they_are_text()
    {
        var large = SampleFiles.Png.Concat(new byte[3 << 20]).ToArray();
        var picture = "data:image/png;base64," + Convert.ToBase64String(large);

        var read = await PostAsync(
            "/v1/chat/completions",
            Chat(
                $$"""{"role":"user","content":[{"type":"image_url","image_url":{"url":"{{picture}}"} },{"type":"text","text":"Large?"}]}"""
            )
        );
        var refused = await PostAsync("/v1/chat/completions", Chat($$"""{"role":"user","content":"{{new string('x', 2 << 20)}}"}"""));

        Assert.Equal(large.Length, Assert.Single((await JobAsync(read)).Attachments!).Bytes);
        Assert.Equal((HttpStatusCode.RequestEntityTooLarge, "body_too_large"), (refused.Status, Code(refused.Body)));
    }

    [Fact]
    public async Task A_native_message_names_its_files_and_they_stay_while_their_job_is_open()
    {
        var file = await SampleFiles.UploadAsync(Http, SampleFiles.Png, "dot.png");
        var later = TimeProvider.System.GetUtcNow().AddHours(1);
        var body = $$"""
            {"type":"chat","not_before":"{{later:O}}","input":{"messages":[
              {"role":"user","content":"Look first.","attachments":[{"file":"{{file.Id}}"} ]},{"role":"assistant","content":"Yes?"},{"role":"user","content":"Dot?"} ] } }
            """;
        using var response = await ApiServer.PostAsync(Http, Encoding.UTF8.GetBytes(body));
        var accepted = await ApiServer.ReadJobAsync(response);

        using var deleted = await Http.DeleteAsync($"/api/v1/files/{file.Id}", TestRun.Cancel);
        await stack.Workers.ExecuteAsync($"UPDATE jobs SET due_at = now() WHERE id = '{accepted.Id}'");
        using var ended = await Http.GetAsync($"/api/v1/jobs/{accepted.Id}?wait=60", TestRun.Cancel);

        Assert.Equal(HttpStatusCode.Conflict, deleted.StatusCode);
        Assert.Equal("completed", (await ApiServer.ReadJobAsync(ended)).Status);
        Assert.Equal("image_url", Asked("Dot?")[0].GetProperty("content")[0].GetProperty("type").GetString());
    }

    [Theory]
    [InlineData(
        """{"type":"image_url","image_url":{"url":"http://10.0.0.1/x.png"}}""",
        "image_url.url",
        "unsupported_parameter",
        "Nothing is fetched"
    )]
    [InlineData(
        """{"type":"image_url","image_url":{"url":"data:image/png,abc"}}""",
        "image_url.url",
        "invalid_value",
        "data URL in base64"
    )]
    [InlineData(
        """{"type":"image_url","image_url":{"url":"data:image/png;base64,@@@"}}""",
        "image_url.url",
        "invalid_value",
        "whole base64"
    )]
    [InlineData("""{"type":"image_url","image_url":{"url":"data:image/png;base64,"}}""", "image_url.url", "invalid_value", "no bytes")]
    [InlineData("""{"type":"image_url","image_url":{"url":7}}""", "image_url.url", "invalid_value", "a string")]
    [InlineData("""{"type":"image_url","image_url":{}}""", "", "invalid_value", "either a file_id or the data")]
    [InlineData("""{"type":"image_url","image_url":{"url":"data:;base64,aGk=","wish":1}}""", "image_url.wish", "unknown_parameter", "wish")]
    [InlineData("""{"type":"file","file":{"file_id":"nonsense"}}""", "file.file_id", "invalid_value", "the id of a file")]
    [InlineData("""{"type":"file","file":{"file_id":"file-0196f0a0000070008000000000000000"}}""", "", "unknown_attachment", "no such file")]
    [InlineData("""{"type":"file","file":{"file_data":"H4sIAAAAAAAA"}}""", "", "file_not_attachable", "by its bytes")]
    [InlineData(
        """{"type":"input_audio","input_audio":{"data":"","format":"mp3"}}""",
        "type",
        "unsupported_parameter",
        "Text, pictures and files"
    )]
    public async Task What_is_wrong_with_a_picture_or_file_is_said_with_its_place(string part, string at, string code, string said)
    {
        var refused = await PostAsync(
            "/v1/chat/completions",
            Chat($$"""{"role":"user","content":[{"type":"text","text":"Hi"},{{part}}]}""")
        );

        var error = refused.Body.GetProperty("error");
        Assert.Equal(code, error.GetProperty("code").GetString());
        Assert.Equal("messages[0].content[1]" + (at.Length > 0 ? "." + at : ""), error.GetProperty("param").GetString());
        Assert.Contains(said, error.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Only_users_send_files_and_a_detail_is_one_of_three()
    {
        var assistant = await PostAsync(
            "/v1/chat/completions",
            Chat($$"""{"role":"assistant","content":[{"type":"image_url","image_url":{"url":"{{Picture}}"} }]}""")
        );
        var detail = await PostAsync(
            "/v1/chat/completions",
            Chat($$"""{"role":"user","content":[{"type":"image_url","image_url":{"url":"{{Picture}}","detail":"huge"} }]}""")
        );

        Assert.Equal("messages[0].content", assistant.Body.GetProperty("error").GetProperty("param").GetString());
        Assert.Equal("messages[0].attachments[0].detail", detail.Body.GetProperty("error").GetProperty("param").GetString());
        Assert.Contains("auto, low, high", detail.Body.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    private static string? Code(JsonElement body) => body.GetProperty("error").GetProperty("code").GetString();

    private static string Chat(string messages) => $$"""{"model":"m","messages":[{{messages}}]}""";

    private async Task<(HttpStatusCode Status, JsonElement Body, string? Job)> PostAsync(string path, string body, string? key = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path)
        {
            Content = new StringContent(body, Encoding.UTF8, new MediaTypeHeaderValue("application/json")),
        };
        if (key is not null)
        {
            request.Headers.Add("Idempotency-Key", key);
        }

        using var response = await Http.SendAsync(request, TestRun.Cancel);
        var job = response.Headers.TryGetValues("x-aibackend-job-id", out var ids) ? ids.Single() : null;
        return (response.StatusCode, JsonElement.Parse(await response.Content.ReadAsStringAsync(TestRun.Cancel)), job);
    }

    private async Task<Job> JobAsync((HttpStatusCode Status, JsonElement Body, string? Job) answer)
    {
        Assert.True(answer.Status == HttpStatusCode.OK, answer.Body.GetRawText());
        return (await Http.GetFromJsonAsync($"/api/v1/jobs/{answer.Job}", WireJson.Default.Job, TestRun.Cancel))!;
    }

    /// <summary>The messages of the call whose last message says this.</summary>
    private JsonElement Asked(string last) =>
        stack
            .Provider.Requests.Select(request => JsonElement.Parse(request.Body).GetProperty("messages"))
            .Last(messages => messages[messages.GetArrayLength() - 1].GetRawText().Contains(last, StringComparison.Ordinal));
}
