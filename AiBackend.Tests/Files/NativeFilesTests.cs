using System.Net;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Files;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.OpenAiApi.Files;

namespace AiBackend.Tests.Files;

/// <summary><c>/api/v1/files</c>: any file, told apart by its bytes, stored once, and never shown as a page.</summary>
public sealed class NativeFilesTests(FileApi api) : IClassFixture<FileApi>
{
    [Fact]
    public async Task A_file_comes_back_byte_for_byte_as_an_attachment_and_goes_when_it_is_deleted()
    {
        var http = await TenantAsync();
        var content = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("1;ä\n", 100_000)));

        var made = await SampleFiles.UploadAsync(http, content, "my report.csv");
        using var read = await http.GetAsync($"/api/v1/files/{made.Id}/content", TestRun.Cancel);

        Assert.Equal(("file", "my report.csv", "text/csv", "attachment"), (made.Object, made.Name, made.MediaType, made.Purpose));
        Assert.Equal(
            (content.Length, Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(content))),
            (made.Bytes, made.Sha256)
        );
        Assert.Equal(TimeSpan.FromDays(30), made.ExpiresAt - made.CreatedAt);
        Assert.Equal(content, await read.Content.ReadAsByteArrayAsync(TestRun.Cancel));
        Assert.Equal("text/csv; charset=utf-8", read.Content.Headers.ContentType!.ToString());
        Assert.Equal("attachment", read.Content.Headers.ContentDisposition!.DispositionType);
        Assert.Equal(["nosniff"], read.Headers.GetValues("X-Content-Type-Options"));
        Assert.Equal(["sandbox; default-src 'none'"], read.Headers.GetValues("Content-Security-Policy"));
        Assert.Equal(made, await ReadAsync(http, made.Id));
        Assert.Equal(HttpStatusCode.NoContent, (await http.DeleteAsync($"/api/v1/files/{made.Id}", TestRun.Cancel)).StatusCode);
        foreach (var path in (string[])[$"/api/v1/files/{made.Id}", $"/api/v1/files/{made.Id}/content", "/api/v1/files/x"])
        {
            using var gone = await http.GetAsync(path, TestRun.Cancel);
            Assert.Equal("file_not_found", (await ApiServer.ReadProblemAsync(gone)).Code);
        }
    }

    [Theory]
    [InlineData("../../etc/passwd", "passwd")]
    [InlineData("C:\\temp\\a.html", "a.html")]
    [InlineData("..", "file")]
    [InlineData("exe.\u202Egpj", "exe.gpj")]
    public async Task A_60_a_page_is_text_that_is_downloaded_whatever_its_name_and_type_say(string sent, string kept)
    {
        var http = await TenantAsync();

        using var response = await SampleFiles.PostAsync(http, "<html><script>alert(1)</script>"u8.ToArray(), sent, "text/html");
        var made = JsonSerializer.Deserialize(await response.Content.ReadAsByteArrayAsync(TestRun.Cancel), WireJson.Default.TenantFile)!;
        using var read = await http.GetAsync($"/api/v1/files/{made.Id}/content", TestRun.Cancel);

        Assert.Equal((kept, "text/plain"), (made.Name, made.MediaType));
        Assert.Equal("text/plain; charset=utf-8", read.Content.Headers.ContentType!.ToString());
        Assert.Equal("attachment", read.Content.Headers.ContentDisposition!.DispositionType);
    }

    [Fact]
    public async Task Equal_files_of_a_tenant_take_room_once_and_the_bytes_go_with_the_last()
    {
        var http = await TenantAsync();
        var other = await TenantAsync();
        var content = new string('x', 300_000);
        var first = await SampleFiles.UploadAsync(http, content, "one.txt");

        var second = await SampleFiles.UploadAsync(http, content, "two.md");
        var third = await SampleFiles.UploadAsync(http, content, "three.txt");
        var strangers = await SampleFiles.UploadAsync(other, content);
        Assert.Equal(2, await CountAsync($"SELECT count(*) FROM file_chunks WHERE tenant_id = {TenantOf(first)}"));
        Assert.Equal(300_000, await CountAsync($"SELECT bytes FROM file_usage WHERE tenant_id = {TenantOf(first)}"));
        Assert.Equal(("text/plain", "text/markdown", first.Sha256), (first.MediaType, second.MediaType, second.Sha256));
        Assert.NotEqual(first.Id, second.Id);

        var tenantId = await TextAsync($"SELECT {TenantOf(first)}::text");
        await http.DeleteAsync($"/api/v1/files/{first.Id}", TestRun.Cancel);
        await other.DeleteAsync($"/api/v1/files/{strangers.Id}", TestRun.Cancel);
        Assert.Equal(content, await http.GetStringAsync($"/api/v1/files/{second.Id}/content", TestRun.Cancel));
        await http.DeleteAsync($"/api/v1/files/{third.Id}", TestRun.Cancel);
        Assert.Equal(300_000, await CountAsync($"SELECT bytes FROM file_usage WHERE tenant_id = '{tenantId}'"));
        await http.DeleteAsync($"/api/v1/files/{second.Id}", TestRun.Cancel);

        Assert.Equal(0, await CountAsync($"SELECT count(*) FROM file_chunks WHERE tenant_id = '{tenantId}'"));
        Assert.Equal(0, await CountAsync($"SELECT bytes FROM file_usage WHERE tenant_id = '{tenantId}'"));
    }

    [Fact]
    public async Task Equal_files_that_come_and_go_at_the_same_time_lose_no_bytes_and_count_none_twice()
    {
        var http = await TenantAsync();
        var content = new string('y', 5_000);
        var kept = await SampleFiles.UploadAsync(http, "keeps the tenant's row", "other.txt");
        var tenantId = await TextAsync($"SELECT {TenantOf(kept)}::text");

        for (var round = 0; round < 8; round++)
        {
            var before = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => SampleFiles.UploadAsync(http, content)));
            var deletions = before.Select(file => http.DeleteAsync($"/api/v1/files/{file.Id}", TestRun.Cancel));
            var uploads = Enumerable.Range(0, 3).Select(_ => SampleFiles.UploadAsync(http, content)).ToList();
            await Task.WhenAll([.. deletions, .. uploads.Select(upload => (Task)upload)]);
            foreach (var upload in uploads)
            {
                var file = await upload;
                Assert.Equal(content, await http.GetStringAsync($"/api/v1/files/{file.Id}/content", TestRun.Cancel));
                await http.DeleteAsync($"/api/v1/files/{file.Id}", TestRun.Cancel);
            }
        }

        Assert.Equal(kept.Bytes, await CountAsync($"SELECT bytes FROM file_usage WHERE tenant_id = '{tenantId}'"));
        Assert.Equal(1, await CountAsync($"SELECT count(*) FROM file_chunks WHERE tenant_id = '{tenantId}'"));
    }

    [Fact]
    public async Task Files_are_listed_in_pages_newest_first_and_by_what_they_are_for()
    {
        var http = await TenantAsync();
        List<Guid> ids = [];
        for (var i = 0; i < 3; i++)
        {
            ids.Add((await SampleFiles.UploadAsync(http, $"{i}")).Id);
        }

        var first = await ListAsync(http, "?limit=2");
        var rest = await ListAsync(http, $"?limit=2&cursor={first.NextCursor}");

        Assert.Equal([ids[2], ids[1]], first.Data.Select(file => file.Id));
        Assert.Equal([ids[0]], rest.Data.Select(file => file.Id));
        Assert.Null(rest.NextCursor);
        Assert.Equal(3, (await ListAsync(http, "?purpose=attachment")).Data.Count);
        Assert.Empty((await ListAsync(http, "?purpose=batch")).Data);
        foreach (
            var (query, code) in (IEnumerable<(string, string)>)
                [
                    ("limit=0", "invalid_value"),
                    ("purpose=x", "invalid_value"),
                    ("cursor=x", "bad_cursor"),
                    ($"purpose=batch&cursor={first.NextCursor}", "bad_cursor"),
                    ("page=2", "unknown_query_parameter"),
                ]
        )
        {
            using var refused = await http.GetAsync($"/api/v1/files?{query}", TestRun.Cancel);
            Assert.Equal(code, (await ApiServer.ReadProblemAsync(refused)).Code);
        }
    }

    [Fact]
    public async Task What_is_wrong_with_a_form_is_said_and_nothing_of_it_stays()
    {
        var http = await TenantAsync();
        (string Code, (string, string) Field)[] wrong =
        [
            ("unknown_member", ("purpose", "batch")),
            ("unknown_member", ("media_type", "image/png")),
            ("invalid_value", ("expires_after", "10")),
            ("invalid_value", ("expires_after", "soon")),
        ];
        foreach (var (code, field) in wrong)
        {
            using var response = await SampleFiles.PostAsync(http, "text"u8.ToArray(), "a.txt", fields: field);
            var problem = await ApiServer.ReadProblemAsync(response);
            Assert.Equal((HttpStatusCode.BadRequest, code), (response.StatusCode, problem.Code));
        }

        using var empty = await SampleFiles.PostAsync(http, [], "a.txt");
        using var large = await SampleFiles.PostAsync(http, new byte[FileApi.MostBytes + 1], "a.bin");
        using var json = await http.PostAsync("/api/v1/files", new StringContent("{}", Encoding.UTF8, "application/json"), TestRun.Cancel);

        Assert.Equal("invalid_value", (await ApiServer.ReadProblemAsync(empty)).Code);
        Assert.Equal("body_too_large", (await ApiServer.ReadProblemAsync(large)).Code);
        Assert.Equal("unsupported_media_type", (await ApiServer.ReadProblemAsync(json)).Code);
        Assert.Empty((await ListAsync(http, "")).Data);
        Assert.Equal(0, await CountAsync("SELECT count(*) FROM files WHERE ready_at IS NULL AND name = ''"));
    }

    [Fact]
    public async Task The_same_key_makes_one_file_and_not_two()
    {
        var http = await TenantAsync();

        var first = await SampleFiles.UploadAsync(http, "text", key: "k");
        var again = await SampleFiles.UploadAsync(http, "text", key: "k");
        using var other = await SampleFiles.PostAsync(http, "other"u8.ToArray(), "a.txt", key: "k");

        Assert.Equal(first, again);
        Assert.Equal("idempotency_key_reused", (await ApiServer.ReadProblemAsync(other)).Code);
        Assert.Single((await ListAsync(http, "")).Data);
    }

    private static string TenantOf(TenantFile file) => $"(SELECT tenant_id FROM files WHERE id = '{file.Id}')";

    private async Task<HttpClient> TenantAsync() => api.Client(await api.AddTenantAsync());

    private static async Task<TenantFile> ReadAsync(HttpClient http, Guid id) =>
        JsonSerializer.Deserialize(await http.GetStringAsync($"/api/v1/files/{id}", TestRun.Cancel), WireJson.Default.TenantFile)!;

    private static async Task<TenantFileList> ListAsync(HttpClient http, string query) =>
        JsonSerializer.Deserialize(await http.GetStringAsync($"/api/v1/files{query}", TestRun.Cancel), WireJson.Default.TenantFileList)!;

    private async Task<long> CountAsync(string sql) => Convert.ToInt64(await ScalarAsync(sql), null);

    private async Task<string> TextAsync(string sql) => (string)(await ScalarAsync(sql))!;

    private async Task<object?> ScalarAsync(string sql)
    {
#pragma warning disable CA2100 // Constants and ids of this test.
        await using var command = api.Db.Source.CreateCommand(sql);
#pragma warning restore CA2100
        return await command.ExecuteScalarAsync(TestRun.Cancel);
    }
}
