using System.Net;
using System.Text;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Files;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Files;
using AiBackend.Core.Jobs;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.OpenAiApi.Files;
using Microsoft.Extensions.Options;
using Npgsql;

namespace AiBackend.Tests.Files;

/// <summary>Files that jobs name: checked when the job is new, and kept until it has ended.</summary>
public sealed class AttachmentFilesTests(FileApi api) : IClassFixture<FileApi>
{
    private const string Message = """ "input":{"messages":[{"role":"user","content":"Hello"}]} """;

    [Fact]
    public async Task A_job_says_what_it_is_given_and_only_workers_that_know_of_files_take_it()
    {
        var http = await TenantAsync();
        var text = await SampleFiles.UploadAsync(http, "the text", "notes.md");
        var image = await SampleFiles.UploadAsync(http, SampleFiles.Png, "dot.png");

        using var response = await SubmitAsync(http, Body([text, image]));
        var accepted = await ApiServer.ReadJobAsync(response);
        var job = await http.GetFromJsonAsync($"/api/v1/jobs/{accepted.Id}", WireJson.Default.Job, TestRun.Cancel);

        Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
        JobFile[] expected = [new(text.Id, "notes.md", "text/markdown", 8), new(image.Id, "dot.png", "image/png", SampleFiles.Png.Length)];
        Assert.Equal(expected, accepted.Attachments);
        Assert.Equal(expected, job!.Attachments);
        Assert.Null(job.Artifacts);
        Assert.Equal(JobSchema.Files, await ScalarAsync<short>($"SELECT schema_version FROM job_payloads WHERE job_id = '{job.Id}'"));
        Assert.True(await ScalarAsync<int>($"SELECT expected_tokens FROM jobs WHERE id = '{job.Id}'") > 1500);
    }

    [Fact]
    public async Task What_cannot_be_given_is_refused_with_its_place_and_what_to_do()
    {
        var http = await TenantAsync();
        var foreign = await SampleFiles.UploadAsync(await TenantAsync(), "theirs");
        var archive = await SampleFiles.UploadAsync(http, [0x1F, 0x8B, 8, 0], "a.txt");
        var bomb = await SampleFiles.UploadAsync(http, SampleFiles.PngOf(60_000, 60_000), "bomb.png");
        var mine = await SampleFiles.UploadAsync(http, "mine");
        var large = await SampleFiles.UploadAsync(http, new string('x', 150_000), "large.txt");
        var expired = await SampleFiles.UploadAsync(http, "old");
        await ExecuteAsync($"UPDATE files SET expires_at = now() - interval '1 s' WHERE id = '{expired.Id}'");

        (string Body, int Status, string Code, string Said)[] wrong =
        [
            (Body([mine, foreign]), 422, "unknown_attachment", $"attachments[1].file is {foreign.Id}"),
            (Body([expired]), 422, "unknown_attachment", "attachments[0].file"),
            (Body([archive]), 422, "file_not_attachable", "application/octet-stream by its bytes"),
            (Body([bomb]), 422, "file_not_attachable", "40 megapixels"),
            (Body([large]), 422, "attachments_too_large", "150000 bytes of text together; at most 100000"),
            (Body([mine, mine]), 400, "invalid_value", "name each file once"),
            ($$"""{"type":"chat",{{Message}},"attachments":[{}]}""", 400, "invalid_value", "attachments[0].file is missing"),
            ($$"""{"type":"chat",{{Message}},"attachments":[{"file":"x"}]}""", 400, "invalid_value", "file"),
            ($$"""{"type":"chat",{{Message}},"attachments":[{"path":"/etc/passwd"}]}""", 400, "unknown_member", "path"),
            (
                $$"""{"type":"chat",{{Message}},"attachments":[{{string.Join(',', Enumerable.Repeat("""{"file":"01900000-0000-7000-8000-0000000000ff"}""", 17))}}]}""",
                400,
                "invalid_value",
                "at most 16"
            ),
        ];
        foreach (var (body, status, code, said) in wrong)
        {
            using var response = await SubmitAsync(http, body);
            var problem = await ApiServer.ReadProblemAsync(response);
            Assert.Equal((status, code), (problem.Status, problem.Code));
            Assert.Contains(said, problem.Detail, StringComparison.Ordinal);
        }

        Assert.Equal(
            0,
            await ScalarAsync<long>($"SELECT count(*) FROM jobs WHERE tenant_id = (SELECT tenant_id FROM files WHERE id = '{mine.Id}')")
        );
    }

    [Theory]
    [InlineData("""{"type":"text/csv"}""", "artifact.name is missing")]
    [InlineData("""{"name":"../a.csv","type":"text/csv"}""", "without a path")]
    [InlineData("""{"name":"a.csv"}""", "artifact.type is missing")]
    [InlineData("""{"name":"a.html","type":"text/html"}""", "must be one of text/plain, text/markdown, text/csv, application/json")]
    [InlineData("""{"name":"a.csv","type":"text/csv"},"contract":{}""", "an answer with a contract is JSON")]
    public async Task What_is_wrong_with_an_artifact_is_said(string artifact, string said)
    {
        using var response = await SubmitAsync(api.Http, $$"""{"type":"chat",{{Message}},"artifact":{{artifact}}}""");

        var problem = await ApiServer.ReadProblemAsync(response);
        Assert.Equal("invalid_value", problem.Code);
        Assert.Contains(said, problem.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_stays_while_a_job_that_has_not_ended_names_it()
    {
        var http = await TenantAsync();
        var file = await SampleFiles.UploadAsync(http, "the text");
        using var response = await SubmitAsync(http, Body([file]));
        var job = await ApiServer.ReadJobAsync(response);

        using var refused = await http.DeleteAsync($"/api/v1/files/{file.Id}", TestRun.Cancel);
        await ExecuteAsync($"UPDATE files SET expires_at = now() - interval '1 s' WHERE id = '{file.Id}'");
        await PruneAsync();
        var whileOpen = await ScalarAsync<long>($"SELECT count(*) FROM file_chunks WHERE file_id = '{file.Id}'");
        await http.PostAsync($"/api/v1/jobs/{job.Id}/cancel", null, TestRun.Cancel);
        await PruneAsync();

        Assert.Equal("file_in_use", (await ApiServer.ReadProblemAsync(refused)).Code);
        Assert.Equal(1, whileOpen);
        Assert.Equal(0, await ScalarAsync<long>($"SELECT count(*) FROM files WHERE id = '{file.Id}'"));
    }

    [Fact]
    public async Task A_repeat_finds_its_job_although_the_file_is_gone()
    {
        var http = await TenantAsync();
        var file = await SampleFiles.UploadAsync(http, "the text");
        using var first = await SubmitAsync(http, Body([file]), "k");
        var job = await ApiServer.ReadJobAsync(first);
        await http.PostAsync($"/api/v1/jobs/{job.Id}/cancel", null, TestRun.Cancel);
        await http.DeleteAsync($"/api/v1/files/{file.Id}", TestRun.Cancel);

        using var again = await SubmitAsync(http, Body([file]), "k");
        using var other = await SubmitAsync(http, Body([await SampleFiles.UploadAsync(http, "other")]), "k");

        Assert.Equal(job.Id, (await ApiServer.ReadJobAsync(again)).Id);
        Assert.Equal("idempotency_key_reused", (await ApiServer.ReadProblemAsync(other)).Code);
    }

    private static string Body(IEnumerable<TenantFile> files) =>
        $$"""{"type":"chat",{{Message}},"attachments":[{{string.Join(',', files.Select(file => $$"""{"file":"{{file.Id}}"}"""))}}]}""";

    private static Task<HttpResponseMessage> SubmitAsync(HttpClient http, string body, string? key = null) =>
        ApiServer.PostAsync(http, Encoding.UTF8.GetBytes(body), key is null ? [] : [("Idempotency-Key", key)]);

    private async Task<HttpClient> TenantAsync() => api.Client(await api.AddTenantAsync());

    private async Task PruneAsync()
    {
        var worker = await api.WorkerAsync();
        await new FileStore(worker.Get<NpgsqlDataSource>(), Options.Create(new FilesOptions())).PruneAsync(TestRun.Cancel);
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var command = Command(sql);
        await command.ExecuteNonQueryAsync(TestRun.Cancel);
    }

    private async Task<T> ScalarAsync<T>(string sql)
    {
        await using var command = Command(sql);
        return (T)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }

#pragma warning disable CA2100 // Constants and ids of this test.
    private NpgsqlCommand Command(string sql) => api.Db.Source.CreateCommand(sql);
#pragma warning restore CA2100
}
