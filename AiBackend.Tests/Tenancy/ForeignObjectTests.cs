using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Api;
using AiBackend.Tests.DeadLetters;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Reviews;

namespace AiBackend.Tests.Tenancy;

/// <summary>Every operation of the document that names something of a tenant's, tried with another tenant's key.</summary>
public sealed partial class ForeignObjectTests(ApiServer api) : IClassFixture<ApiServer>
{
    /// <summary>Parameters of paths that name what all tenants share or what each names for itself, or, the slug, what belongs to an organisation (TenantApiTests).</summary>
    private static readonly string[] Shared = ["name", "provider", "model", "slug", "collection", "version", "label", "seq", "user"];

    [Fact]
    public async Task A_1_what_belongs_to_another_tenant_is_answered_like_what_does_not_exist_for_every_verb_and_address()
    {
        var job = (await api.SubmitAsync()).Id;
        var dead = await (await api.WorkerAsync()).DieAsync();
        var objects = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["/api/v1/jobs/{id}"] = job.ToString(),
            ["/api/v1/jobs/{id}/replay"] = dead.ToString(),
            ["/api/v1/jobs/{id}/discard"] = dead.ToString(),
            ["/api/v1/budgets/{id}"] = await MakeAsync("/budgets", """{"scope":"user","subject":"x","window":"day","limit_usd":1}"""),
            ["/api/v1/keys/{id}"] = await MakeAsync("/keys", """{"name":"k","scopes":["jobs:read"]}"""),
            ["/api/v1/users/{id}"] = await MakeAsync(
                "/users",
                """{"email":"u@foreign.example","role":"viewer","password":"a long password"}"""
            ),
            ["/api/v1/bulk/{id}"] = await MakeAsync("/dead-letters/discard", """{"filter":{"model":"none"}}"""),
            ["/api/v1/webhooks/{id}"] = await MakeAsync("/webhooks", """{"url":"https://hooks.example.com/x"}"""),
            ["/api/v1/webhooks/inbound/{id}"] = await MakeAsync("/webhooks/inbound", """{"name":"n","template":{"prompt":"x"}}"""),
            ["/api/v1/conversations/{id}"] = await MakeAsync("/conversations", "{}"),
            ["/api/v1/files/{id}"] = await UploadAsync(),
            ["/api/v1/reviews/{id}"] = (await OpenReview.AddAsync(api)).Id,
            ["/api/v1/alerts/{id}"] = await MakeAlertAsync(),
            ["/api/v1/dead-letters/{fingerprint}"] = await (await api.WorkerAsync()).FingerprintAsync(dead),
        };
        using var stranger = api.Client(await api.AddTenantAsync());
        await using var apart = api.Db.Source.CreateCommand(
            """
            INSERT INTO organisations (id, slug, name) VALUES ($1, 'apart', 'Apart');
            """
        );
        apart.Parameters.AddWithValue(Guid.CreateVersion7());
        await apart.ExecuteNonQueryAsync(TestRun.Cancel);
        await using var move = api.Db.Source.CreateCommand(
            "UPDATE tenants SET organisation_id = (SELECT id FROM organisations WHERE slug = 'apart') WHERE slug <> 'default'"
        );
        await move.ExecuteNonQueryAsync(TestRun.Cancel);
        using var document = JsonDocument.Parse(await api.Http.GetStringAsync("/openapi/v1.json", TestRun.Cancel));
        var tried = 0;

        foreach (var path in document.RootElement.GetProperty("paths").EnumerateObject())
        {
            var names = Parameter().Matches(path.Name).Select(match => match.Groups["name"].Value).Except(Shared).ToList();
            if (names.Count == 0)
            {
                continue;
            }

            var id =
                objects.GetValueOrDefault(path.Name)
                ?? objects.FirstOrDefault(known => path.Name.StartsWith(known.Key + "/", StringComparison.Ordinal)).Value;
            Assert.True(id is not null, $"{path.Name} is new: say in this test what of a tenant's it names.");
            foreach (var operation in path.Value.EnumerateObject())
            {
                var hasBody = operation.Value.TryGetProperty("requestBody", out _);
                var foreign = await AskAsync(
                    stranger,
                    operation.Name,
                    path.Name.Replace("{" + names[0] + "}", id, StringComparison.Ordinal),
                    hasBody
                );
                var none = await AskAsync(
                    stranger,
                    operation.Name,
                    path.Name.Replace("{" + names[0] + "}", Unknown(id), StringComparison.Ordinal),
                    hasBody
                );

                Assert.True(
                    foreign.Status is HttpStatusCode.NotFound or HttpStatusCode.BadRequest or HttpStatusCode.OK
                        // Where a signature counts and no key does.
                        || (foreign.Status, path.Name) is (HttpStatusCode.Unauthorized, "/api/v1/webhooks/inbound/{id}/messages"),
                    $"{operation.Name} {path.Name} answered {foreign.Status}: {foreign.Body}"
                );
                Assert.Equal((none.Status, none.Body.Replace(Unknown(id), id, StringComparison.Ordinal)), (foreign.Status, foreign.Body));
                Assert.Equal(none.Headers, foreign.Headers);
                tried++;
            }
        }

        Assert.True(tried > 15, $"{tried} operations were tried.");
        Assert.Equal("queued", (await api.GetJobAsync(job)).Status);
        Assert.Equal(
            HttpStatusCode.OK,
            (await api.Http.GetAsync($"/api/v1/budgets/{objects["/api/v1/budgets/{id}"]}", TestRun.Cancel)).StatusCode
        );
        var key = await api.Http.GetStringAsync($"/api/v1/keys/{objects["/api/v1/keys/{id}"]}", TestRun.Cancel);
        Assert.Contains("\"status\":\"active\"", key, StringComparison.Ordinal);
    }

    /// <summary>Something of the same shape that nobody has.</summary>
    private static string Unknown(string id) =>
        Guid.TryParse(id, out _) ? "01900000-0000-7000-8000-0000000000ff"
        : id.Length > 36 && Guid.TryParse(id[..36], out _) ? "01900000-0000-7000-8000-0000000000ff" + id[36..]
        : id.Length == ApiKey.Create(live: false).Id.Length ? "ZZZZZZZZ"
        : new string('0', id.Length);

    private static async Task<(HttpStatusCode Status, string Body, string Headers)> AskAsync(
        HttpClient client,
        string method,
        string path,
        bool hasBody
    )
    {
        using var request = new HttpRequestMessage(new HttpMethod(method.ToUpperInvariant()), path);
        request.Headers.TryAddWithoutValidation("Accept", "application/json");
        if (hasBody)
        {
            request.Content = new StringContent(
                path.Contains("budgets", StringComparison.Ordinal) ? """{"limit_usd":1}""" : "{}",
                Encoding.UTF8,
                "application/json"
            );
        }

        using var response = await client.SendAsync(request, TestRun.Cancel);
        var body = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        var headers = response.Headers.Concat(response.Content.Headers).Where(header => header.Key is not ("Date" or "Content-Length"));
        return (
            response.StatusCode,
            TraceId().Replace(body, ""),
            string.Join('\n', headers.Select(header => $"{header.Key}: {string.Join(", ", header.Value)}").Order(StringComparer.Ordinal))
        );
    }

    private async Task<string> MakeAsync(string path, string body)
    {
        var (_, made) = await KeyApiTests.SendAsync(api.Http, HttpMethod.Post, "/api/v1" + path, body);
        return made.GetProperty("id").GetString()!;
    }

    private async Task<string> UploadAsync()
    {
        using var form = new MultipartFormDataContent { { new StringContent("text"), "file", "a.txt" } };
        using var response = await api.Http.PostAsync("/api/v1/files", form, TestRun.Cancel);
        using var made = JsonDocument.Parse(await response.Content.ReadAsStringAsync(TestRun.Cancel));
        return made.RootElement.GetProperty("id").GetString()!;
    }

    private async Task<string> MakeAlertAsync()
    {
        await using var insert = api.Db.Source.CreateCommand(
            "INSERT INTO alerts (tenant_id, rule, cause, value, message) VALUES ($1, 'dead_letter_depth', 'y', 1, 'm') RETURNING id"
        );
        insert.Parameters.AddWithValue(ApiKeyStore.DefaultTenant);
        return ((Guid)(await insert.ExecuteScalarAsync(TestRun.Cancel))!).ToString();
    }

    [GeneratedRegex(@"\{(?<name>\w+)\}", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Parameter();

    [GeneratedRegex("\"trace_id\":\"[0-9a-f]{32}\"", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex TraceId();
}
