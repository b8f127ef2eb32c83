using System.Net;
using System.Text;
using System.Text.Json;
using AiBackend.Core.Database;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Api;

/// <summary>One Idempotency-Key and one body do one thing, at whatever address they are posted.</summary>
public sealed class RepeatedPostTests(RepeatedPostTests.LockedApi api) : IClassFixture<RepeatedPostTests.LockedApi>
{
    private const string Budgets = "/api/v1/budgets";

    /// <summary>Whoever may call these has no tenant yet. A session is a new one each time, setup happens once, and a message has an id of its sender.</summary>
    private static readonly string[] WithoutKey = ["/api/v1/sessions", "/api/v1/setup", "/api/v1/webhooks/inbound/{id}/messages"];

    private static readonly string[] Malformed =
    [
        "",
        "two words",
        "one,two",
        "\"open",
        "\"wrong \\escape\"",
        "gr\u00fcn",
        new string('k', 256),
    ];

    [Fact]
    public async Task Every_documented_POST_takes_an_Idempotency_Key_and_looks_at_it()
    {
        using var document = JsonDocument.Parse(await api.Http.GetByteArrayAsync("/openapi/v1.json", TestRun.Cancel));
        var posts = document
            .RootElement.GetProperty("paths")
            .EnumerateObject()
            .Where(path => path.Value.TryGetProperty("post", out _))
            .ToList();

        var without = posts.Where(path => !IsDeclared(path.Value.GetProperty("post"))).Select(path => path.Name);

        Assert.Equal(WithoutKey.Order(StringComparer.Ordinal), without.Order(StringComparer.Ordinal));
        foreach (var path in posts.Select(path => path.Name).Except(WithoutKey))
        {
            var address = path.Replace("{id}", Guid.CreateVersion7().ToString(), StringComparison.Ordinal)
                .Replace("{", "", StringComparison.Ordinal)
                .Replace("}", "", StringComparison.Ordinal);
            using var answer = await PostAsync(api.Http, address, "{}", "\"open");
            Assert.Equal((path, "malformed_idempotency_key"), (path, (await ApiServer.ReadProblemAsync(answer)).Code));
        }
    }

    [Fact]
    public async Task A_malformed_key_does_nothing()
    {
        var before = await CountAsync();

        foreach (var key in Malformed)
        {
            using var answer = await PostAsync(api.Http, Budgets, Budget("malformed"), key);
            Assert.Equal("malformed_idempotency_key", (await ApiServer.ReadProblemAsync(answer)).Code);
        }

        Assert.Equal(before, await CountAsync());
    }

    [Fact]
    public async Task A_repeat_is_answered_as_then_and_does_nothing_again()
    {
        using var first = await PostAsync(api.Http, Budgets, Budget("once"), "once");
        var count = await CountAsync();

        using var repeat = await PostAsync(api.Http, Budgets, Budget("once"), "\"once\"");

        Assert.Equal((HttpStatusCode.Created, HttpStatusCode.Created), (first.StatusCode, repeat.StatusCode));
        Assert.Equal(await TextAsync(first), await TextAsync(repeat));
        Assert.Equal(first.Headers.Location, repeat.Headers.Location);
        Assert.NotNull(repeat.Headers.Location);
        Assert.Equal(first.Content.Headers.ContentType, repeat.Content.Headers.ContentType);
        Assert.False(first.Headers.Contains("Idempotent-Replayed"));
        Assert.Equal(["true"], repeat.Headers.GetValues("Idempotent-Replayed"));
        Assert.Equal(count, await CountAsync());
    }

    [Fact]
    public async Task A_repeat_of_a_prompt_is_told_the_address_of_its_version_too()
    {
        const string Body = """{"name":"located","template":{"messages":[{"role":"user","content":"Hi"}]}}""";
        using var first = await PostAsync(api.Http, "/api/v1/prompts", Body, "located");

        using var repeat = await PostAsync(api.Http, "/api/v1/prompts", Body, "located");

        Assert.Equal("/api/v1/prompts/located/versions/1", first.Headers.Location?.ToString());
        Assert.Equal(first.Headers.Location, repeat.Headers.Location);
        Assert.Equal(["true"], repeat.Headers.GetValues("Idempotent-Replayed"));
    }

    [Theory]
    [InlineData(Budgets, "another", "mine1")]
    [InlineData(Budgets + "?nothing=1", "mine2", "mine2")]
    public async Task Another_request_with_the_same_key_is_refused(string address, string feature, string mine)
    {
        using var first = await PostAsync(api.Http, Budgets, Budget(mine), "reused:" + address);
        var count = await CountAsync();

        using var other = await PostAsync(api.Http, address, Budget(feature), "reused:" + address);

        Assert.Equal(HttpStatusCode.Created, first.StatusCode);
        Assert.Equal((HttpStatusCode)422, other.StatusCode);
        Assert.Equal("idempotency_key_reused", (await ApiServer.ReadProblemAsync(other)).Code);
        Assert.Equal(count, await CountAsync());
    }

    [Fact]
    public async Task Other_addresses_and_other_tenants_have_keys_of_their_own()
    {
        using var other = api.Client(await api.AddTenantAsync());
        using var conversation = await PostAsync(api.Http, "/api/v1/conversations", "{}", "apart");

        using var check = await PostAsync(api.Http, "/api/v1/contracts/check", "{}", "apart");
        using var theirs = await PostAsync(other, "/api/v1/conversations", "{}", "apart");

        Assert.NotEqual("idempotency_key_reused", await CodeAsync(check));
        Assert.Equal(HttpStatusCode.Created, theirs.StatusCode);
        Assert.NotEqual(await TextAsync(conversation), await TextAsync(theirs));
    }

    [Fact]
    public async Task A_made_key_is_shown_again_to_who_made_it_alone_and_is_nowhere_in_the_database()
    {
        const string Body = """{"name":"k","scopes":["jobs:read"]}""";
        using var colleague = api.Client(await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "*"));
        using var first = await PostAsync(api.Http, "/api/v1/keys", Body, "secret");

        using var repeat = await PostAsync(api.Http, "/api/v1/keys", Body, "secret");
        using var stranger = await PostAsync(colleague, "/api/v1/keys", Body, "secret");

        var shown = JsonDocument.Parse(await TextAsync(repeat)).RootElement.GetProperty("value").GetString()!;
        Assert.Equal(await TextAsync(first), await TextAsync(repeat));
        Assert.True(repeat.Headers.CacheControl!.NoStore);
        Assert.Equal("idempotency_key_reused", (await ApiServer.ReadProblemAsync(stranger)).Code);
        var kept = Assert.Single(await KeptAsync("secret"));
        Assert.NotEmpty(kept);
        Assert.DoesNotContain(shown, Encoding.Latin1.GetString(kept), StringComparison.Ordinal);
        Assert.DoesNotContain("name", Encoding.Latin1.GetString(kept), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_was_refused_may_be_sent_again_with_its_key()
    {
        using var refused = await PostAsync(api.Http, Budgets, "{}", "again");
        using var made = await PostAsync(api.Http, Budgets, Budget("again"), "again");

        Assert.Equal((HttpStatusCode.BadRequest, HttpStatusCode.Created), (refused.StatusCode, made.StatusCode));
        Assert.NotEmpty((await ApiServer.ReadProblemAsync(refused)).Errors!);
        Assert.Single(await KeptAsync("again"));
    }

    [Fact]
    public async Task Twenty_at_once_do_it_once_and_the_others_are_told_to_come_back()
    {
        var before = await CountAsync();

        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => PostAsync(api.Http, Budgets, Budget("crowd"), "crowd")));

        Assert.Equal(before + 1, await CountAsync());
        Assert.Contains(answers, answer => answer.StatusCode == HttpStatusCode.Created);
        foreach (var busy in answers.Where(answer => answer.StatusCode != HttpStatusCode.Created))
        {
            Assert.Equal("request_in_progress", (await ApiServer.ReadProblemAsync(busy)).Code);
            Assert.NotNull(busy.Headers.RetryAfter);
        }

        Array.ForEach(answers, answer => answer.Dispose());
    }

    [Fact]
    public async Task What_has_begun_goes_on_without_its_caller_and_the_repeat_is_told_of_it()
    {
        var before = await CountAsync();
        using var leaving = new CancellationTokenSource();
        await using var connection = await api.Db.Source.OpenConnectionAsync(TestRun.Cancel);
        await using var transaction = await connection.BeginTransactionAsync(TestRun.Cancel);
        await using (var hold = connection.CreateCommand())
        {
            hold.CommandText = "LOCK TABLE budgets IN SHARE MODE";
            await hold.ExecuteNonQueryAsync(TestRun.Cancel);
        }

        var left = PostUntilAsync(api.Http, Budgets, Budget("left"), "left", leaving.Token);
        await Eventually.TrueAsync(async _ => await IsWaitingAsync(), "the request waits for the table");
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
        await transaction.RollbackAsync(TestRun.Cancel);
        await Eventually.TrueAsync(async _ => await KeptAsync("left") is [{ Length: > 0 }], "its answer is kept");
        using var repeat = await PostAsync(api.Http, Budgets, Budget("left"), "left");

        Assert.Equal(["true"], repeat.Headers.GetValues("Idempotent-Replayed"));
        Assert.Equal(before + 1, await CountAsync());
    }

    [Fact]
    public async Task A_28_after_24_hours_the_same_key_does_it_anew()
    {
        using var first = await PostAsync(api.Http, "/api/v1/conversations", "{}", "old");
        await ExecuteAsync("UPDATE kept_answers SET expires_at = now() - interval '1 second' WHERE key LIKE 'old%'");

        using var anew = await PostAsync(api.Http, "/api/v1/conversations", "{}", "old");

        Assert.Equal(HttpStatusCode.Created, anew.StatusCode);
        Assert.NotEqual(first.Headers.Location, anew.Headers.Location);
    }

    [Fact]
    public async Task A_cancel_is_answered_as_then_also_when_the_job_is_gone()
    {
        var job = await api.SubmitAsync();
        using var first = await PostAsync(api.Http, $"/api/v1/jobs/{job.Id}/cancel", null, "cancel");
        using var gone = await api.Http.DeleteAsync($"/api/v1/jobs/{job.Id}", TestRun.Cancel);

        using var repeat = await PostAsync(api.Http, $"/api/v1/jobs/{job.Id}/cancel", null, "cancel");

        Assert.Equal(HttpStatusCode.NoContent, gone.StatusCode);
        Assert.Equal(first.StatusCode, repeat.StatusCode);
        Assert.True(repeat.IsSuccessStatusCode);
        Assert.Equal(await TextAsync(first), await TextAsync(repeat));
    }

    private static bool IsDeclared(JsonElement operation) =>
        operation.TryGetProperty("parameters", out var parameters)
        && parameters
            .EnumerateArray()
            .Count(each => each.GetProperty("name").GetString() == "Idempotency-Key" && each.GetProperty("in").GetString() == "header")
            == 1;

    private static string Budget(string feature) => $$"""{"scope":"feature","subject":"{{feature}}","window":"month","limit_usd":1}""";

    private static Task<HttpResponseMessage> PostAsync(HttpClient http, string address, string? body, string key) =>
        PostUntilAsync(http, address, body, key, TestRun.Cancel);

    private static async Task<HttpResponseMessage> PostUntilAsync(
        HttpClient http,
        string address,
        string? body,
        string key,
        CancellationToken cancellationToken
    )
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, address);
        request.Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json");
        request.Headers.TryAddWithoutValidation("Idempotency-Key", key);
        return await http.SendAsync(request, cancellationToken);
    }

    private static Task<string> TextAsync(HttpResponseMessage answer) => answer.Content.ReadAsStringAsync(TestRun.Cancel);

    private static async Task<string?> CodeAsync(HttpResponseMessage answer) =>
        answer.IsSuccessStatusCode ? null : (await ApiServer.ReadProblemAsync(answer)).Code;

    private async Task<long> CountAsync()
    {
        await using var command = api.Db.Source.CreateCommand("SELECT count(*) FROM budgets");
        return (long)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }

    /// <summary>Whether somebody waits for the lock on budgets.</summary>
    private async Task<bool> IsWaitingAsync()
    {
        await using var command = api.Db.Source.CreateCommand(
            "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE relation = 'budgets'::regclass AND NOT granted)"
        );
        return (bool)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }

    private async Task<List<byte[]>> KeptAsync(string key)
    {
        await using var command = api.Db.Source.CreateCommand(
            "SELECT coalesce(body, '') FROM kept_answers WHERE key LIKE $1 || chr(31) || '%'"
        );
        command.Parameters.AddWithValue(key);
        return [.. await command.ReadAllAsync(row => row.GetFieldValue<byte[]>(0), TestRun.Cancel)];
    }

    private async Task ExecuteAsync(string sql)
    {
#pragma warning disable CA2100 // Constants of this file.
        await using var command = api.Db.Source.CreateCommand(sql);
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync(TestRun.Cancel);
    }

    /// <summary>Whoever waits for the lock that a test holds does so until that lets it go, however busy the machine is.</summary>
    public sealed class LockedApi(PostgresServer postgres) : ApiServer(postgres)
    {
        protected override IEnumerable<(string, string)> Settings => [("Database:LockTimeout", "00:00:12")];
    }
}
