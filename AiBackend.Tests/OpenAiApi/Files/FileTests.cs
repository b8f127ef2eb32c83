using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using AiBackend.Core.Files;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using static AiBackend.Tests.OpenAiApi.OpenAiClientOf;

namespace AiBackend.Tests.OpenAiApi.Files;

/// <summary>Files: uploaded in pieces, bounded, kept apart, and never shown as a page.</summary>
public sealed class FileTests(FileApi api) : IClassFixture<FileApi>
{
    private const string Line = "{\"custom_id\":\"1\"}\n";

    [Fact]
    public async Task A_file_comes_back_byte_for_byte_as_an_attachment_and_goes_when_it_is_deleted()
    {
        var http = await TenantAsync();
        var content = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("{\"text\":\"ä\"}\n", 45_000)));

        var made = await ReadAsync(await UploadAsync(http, content, "my lines.jsonl"));
        var id = Text(made, "id");
        using var read = await http.GetAsync($"/v1/files/{id}/content", TestRun.Cancel);

        Assert.Equal(
            ("file", "batch", "my lines.jsonl", "processed"),
            (Text(made, "object"), Text(made, "purpose"), Text(made, "filename"), Text(made, "status"))
        );
        Assert.Equal(content.Length, made.GetProperty("bytes").GetInt64());
        Assert.True(made.GetProperty("expires_at").GetInt64() - made.GetProperty("created_at").GetInt64() == 30 * 86_400);
        Assert.Equal(content, await read.Content.ReadAsByteArrayAsync(TestRun.Cancel));
        Assert.Equal("application/octet-stream", read.Content.Headers.ContentType!.ToString());
        Assert.Equal("attachment", read.Content.Headers.ContentDisposition!.DispositionType);
        Assert.Equal(["nosniff"], read.Headers.GetValues("X-Content-Type-Options"));
        Assert.StartsWith("sandbox", read.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
        Assert.Equal(id, Text(await ReadAsync(await http.GetAsync($"/v1/files/{id}", TestRun.Cancel)), "id"));
        Assert.True((await ReadAsync(await http.DeleteAsync($"/v1/files/{id}", TestRun.Cancel))).GetProperty("deleted").GetBoolean());
        foreach (var path in (string[])[$"/v1/files/{id}", $"/v1/files/{id}/content"])
        {
            Assert.Equal(
                "file_not_found",
                Text(await ReadErrorAsync(await http.GetAsync(path, TestRun.Cancel), HttpStatusCode.NotFound), "code")
            );
        }
    }

    [Fact]
    public async Task Files_are_listed_in_pages_newest_first()
    {
        var http = await TenantAsync();
        List<string?> ids = [];
        for (var i = 0; i < 3; i++)
        {
            ids.Add(Text(await ReadAsync(await UploadAsync(http, Line)), "id"));
        }

        var first = await ReadAsync(await http.GetAsync("/v1/files?limit=2", TestRun.Cancel));
        var rest = await ReadAsync(await http.GetAsync($"/v1/files?limit=2&after={Text(first, "last_id")}", TestRun.Cancel));
        var oldest = await ReadAsync(await http.GetAsync("/v1/files?order=asc&purpose=batch", TestRun.Cancel));
        var none = await ReadAsync(await http.GetAsync("/v1/files?purpose=batch_output", TestRun.Cancel));

        Assert.Equal([ids[2], ids[1]], Ids(first));
        Assert.True(first.GetProperty("has_more").GetBoolean());
        Assert.Equal([ids[0]], Ids(rest));
        Assert.False(rest.GetProperty("has_more").GetBoolean());
        Assert.Equal(ids, Ids(oldest));
        Assert.Empty(Ids(none));
        foreach (var query in (string[])["limit=0", "order=up", "after=x", "page=2", "purpose=%00"])
        {
            Assert.Equal(HttpStatusCode.BadRequest, (await http.GetAsync($"/v1/files?{query}", TestRun.Cancel)).StatusCode);
        }
    }

    [Fact]
    public async Task A_1_a_file_of_another_tenant_is_not_there()
    {
        var id = Text(await ReadAsync(await UploadAsync(await TenantAsync(), Line)), "id");
        var stranger = await TenantAsync();

        Assert.Equal(HttpStatusCode.NotFound, (await stranger.GetAsync($"/v1/files/{id}", TestRun.Cancel)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await stranger.GetAsync($"/v1/files/{id}/content", TestRun.Cancel)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await stranger.DeleteAsync($"/v1/files/{id}", TestRun.Cancel)).StatusCode);
        Assert.Empty(Ids(await ReadAsync(await stranger.GetAsync("/v1/files", TestRun.Cancel))));
    }

    [Theory]
    [InlineData("../../etc/passwd", "passwd")]
    [InlineData("C:\\temp\\a.jsonl", "a.jsonl")]
    [InlineData("..", "file.jsonl")]
    [InlineData("a.html", "a.html")]
    public async Task A_60_a_name_is_never_a_path_and_never_a_type(string sent, string kept)
    {
        var http = await TenantAsync();

        var made = await ReadAsync(await UploadAsync(http, Encoding.UTF8.GetBytes(Line), sent, "text/html"));
        using var read = await http.GetAsync($"/v1/files/{Text(made, "id")}/content", TestRun.Cancel);

        Assert.Equal(kept, Text(made, "filename"));
        Assert.Equal("application/octet-stream", read.Content.Headers.ContentType!.ToString());
    }

    [Fact]
    public async Task A_60_a_name_that_is_too_long_is_cut_between_characters()
    {
        var made = await ReadAsync(await UploadAsync(await TenantAsync(), Encoding.UTF8.GetBytes(Line), new string('a', 254) + "😀.jsonl"));

        Assert.Equal(new string('a', 254), Text(made, "filename"));
    }

    public static TheoryData<byte[]> Others =>
        new(
            "<html><script>alert(1)</script></html>"u8.ToArray(),
            "<svg onload=alert(1)>"u8.ToArray(),
            "%PDF-1.7"u8.ToArray(),
            "PK\u0003\u0004"u8.ToArray(),
            [0x1f, 0x8b, 8, 0],
            "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR"u8.ToArray(),
            "[1]"u8.ToArray()
        );

    [Theory]
    [MemberData(nameof(Others))]
    public async Task A_42_A_60_what_is_no_lines_of_JSON_is_refused_whatever_it_calls_itself(byte[] content)
    {
        using var response = await UploadAsync(await TenantAsync(), content);

        Assert.Equal("file", Text(await ReadErrorAsync(response, HttpStatusCode.BadRequest), "param"));
    }

    [Fact]
    public async Task D_9_a_file_has_a_largest_size_and_a_tenant_has_room_for_so_much_until_it_deletes_some()
    {
        var http = await TenantAsync();
        var half = Encoding.UTF8.GetBytes("{" + new string(' ', FileApi.MostBytes - 2));

        using var tooLarge = await UploadAsync(http, [.. half, .. half]);
        var first = Text(await ReadAsync(await UploadAsync(http, half)), "id");
        using var full = await UploadAsync(http, half);
        await http.DeleteAsync($"/v1/files/{first}", TestRun.Cancel);
        using var again = await UploadAsync(http, half);

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, tooLarge.StatusCode);
        Assert.Equal("files_full", Text(await ReadErrorAsync(full, HttpStatusCode.Conflict), "code"));
        Assert.True(again.IsSuccessStatusCode, await again.Content.ReadAsStringAsync(TestRun.Cancel));
    }

    [Fact]
    public async Task What_is_wrong_with_a_form_is_said_and_nothing_of_it_stays()
    {
        var http = await TenantAsync();
        (string Code, MultipartFormDataContent Form)[] wrong =
        [
            ("invalid_value", Form(Line, purpose: null)),
            ("invalid_value", Form(Line, purpose: "fine-tune")),
            ("unknown_parameter", Form(Line, more: ("folder", "a"))),
            ("duplicate_member", Form(Line, more: ("purpose", "batch"))),
            ("invalid_value", Form(Line, more: ("expires_after[seconds]", "10"))),
            ("invalid_value", new MultipartFormDataContent { { new StringContent("batch"), "purpose" } }),
        ];

        foreach (var (code, form) in wrong)
        {
            using var response = await http.PostAsync("/v1/files", form, TestRun.Cancel);
            Assert.Equal(code, Text(await ReadErrorAsync(response, HttpStatusCode.BadRequest), "code"));
        }

        using var json = await http.PostAsync(
            "/v1/files",
            new StringContent("{}", new MediaTypeHeaderValue("application/json")),
            TestRun.Cancel
        );
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, json.StatusCode);
        var packed = Form(Line);
        packed.Headers.ContentEncoding.Add("gzip");
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, (await http.PostAsync("/v1/files", packed, TestRun.Cancel)).StatusCode);
        Assert.Empty(Ids(await ReadAsync(await http.GetAsync("/v1/files", TestRun.Cancel))));
        Assert.Equal(0L, await CountAsync("SELECT count(*) FROM files WHERE ready_at IS NULL AND name = ''"));
    }

    [Fact]
    public async Task The_same_key_makes_one_file_and_not_two()
    {
        var http = await TenantAsync();

        var first = await ReadAsync(await UploadAsync(http, Line, "k"));
        var again = await ReadAsync(await UploadAsync(http, Line, "k"));
        using var other = await UploadAsync(http, "{\"a\":1}\n", "k");

        Assert.Equal(Text(first, "id"), Text(again, "id"));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, other.StatusCode);
        Assert.Single(Ids(await ReadAsync(await http.GetAsync("/v1/files", TestRun.Cancel))));
    }

    [Fact]
    public async Task A_file_goes_by_itself_when_its_time_is_over()
    {
        var http = await TenantAsync();
        var form = Form(Line, more: ("expires_after[anchor]", "created_at"));
        form.Add(new StringContent("3600"), "expires_after[seconds]");
        var made = await ReadAsync(await http.PostAsync("/v1/files", form, TestRun.Cancel));
        Assert.Equal(3600, made.GetProperty("expires_at").GetInt64() - made.GetProperty("created_at").GetInt64());
        var id = Guid.ParseExact(Text(made, "id")!["file-".Length..], "N");

        await CountAsync(
            $"WITH aged AS (UPDATE files SET expires_at = now() - interval '1 s' WHERE id = '{id}' RETURNING 1) SELECT count(*) FROM aged"
        );
        Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync($"/v1/files/{Text(made, "id")}", TestRun.Cancel)).StatusCode);
        var worker = await api.WorkerAsync();
        await new FileStore(
            worker.Get<Npgsql.NpgsqlDataSource>(),
            Microsoft.Extensions.Options.Options.Create(new FilesOptions())
        ).PruneAsync(TestRun.Cancel);

        Assert.Equal(0L, await CountAsync($"SELECT count(*) FROM file_chunks WHERE file_id = '{id}'"));
    }

    private async Task<HttpClient> TenantAsync() => api.Client(await api.AddTenantAsync());

    private async Task<long> CountAsync(string sql)
    {
        await using var command = api.Db.Source.CreateCommand(sql);
        return (long)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }

    private static Task<HttpResponseMessage> UploadAsync(HttpClient http, string content, string? key = null) =>
        SendAsync(http, Form(content), key);

    private static Task<HttpResponseMessage> UploadAsync(
        HttpClient http,
        byte[] content,
        string name = "a.jsonl",
        string type = "application/jsonl"
    ) => SendAsync(http, Form(content, name, type), null);

    private static async Task<HttpResponseMessage> SendAsync(HttpClient http, HttpContent form, string? key)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/files") { Content = form };
        if (key is not null)
        {
            request.Headers.Add("Idempotency-Key", key);
        }

        return await http.SendAsync(request, TestRun.Cancel);
    }

    private static MultipartFormDataContent Form(string content, string? purpose = "batch", (string Name, string Value)? more = null)
    {
        var form = Form(Encoding.UTF8.GetBytes(content), "a.jsonl", "application/jsonl", purpose);
        if (more is { } field)
        {
            form.Add(new StringContent(field.Value), field.Name);
        }

        return form;
    }

    private static MultipartFormDataContent Form(byte[] content, string name, string type, string? purpose = "batch")
    {
        var part = new ByteArrayContent(content);
        part.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
        // The file first: its fields may come later.
        var form = new MultipartFormDataContent { { part, "file", name } };
        if (purpose is not null)
        {
            form.Add(new StringContent(purpose), "purpose");
        }

        return form;
    }

    private static List<string?> Ids(JsonElement list) => [.. list.GetProperty("data").EnumerateArray().Select(each => Text(each, "id"))];

    private static string? Text(JsonElement value, string member) => value.GetProperty(member).GetString();
}

/// <summary>With little room for files.</summary>
public sealed class FileApi(PostgresServer postgres) : ApiServer(postgres)
{
    public const int MostBytes = 640 * 1024;

    protected override IEnumerable<(string Name, string Value)> Settings =>
        [
            ("Files:MaxBytes", "655360"),
            ("Files:MaxBytesPerTenant", "1048576"),
            ("Files:MaxAttachedText", "100000"),
            // Those that come and go at once wait for each other's rows.
            ("Database:LockTimeout", "00:00:25"),
        ];
}
