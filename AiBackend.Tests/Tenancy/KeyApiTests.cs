using System.Net;
using System.Text;
using System.Text.Json;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Tenancy;

/// <summary><c>/api/v1/keys</c>: what a key is, and that it gives nothing it does not have.</summary>
public sealed class KeyApiTests(ApiServer api) : IClassFixture<ApiServer>
{
    /// <summary>The begin of a key that is within <see cref="BoundedAsync"/> but for limits, which it lacks.</summary>
    private const string Within =
        """{"name":"a","scopes":["jobs:read"],"allowed_models":["sim"],"allowed_networks":["127.0.0.1/32"],"highest_priority":"batch" """;

    private const string WithinLimits = ""","limits":{"requests_per_minute":3,"tokens_per_minute":99,"max_queued":4,"max_running":1}""";

    [Fact]
    public async Task D_3_a_key_is_shown_once_and_stored_as_a_hash_and_lives_for_ninety_days()
    {
        var made = await MakeAsync("""{"name":"ci","scopes":["jobs:read"],"limits":{"requests_per_minute":5}}""");
        var (id, value) = (made.GetProperty("id").GetString()!, made.GetProperty("value").GetString()!);
        using var client = api.Client(value);

        var list = await api.Http.GetStringAsync("/api/v1/keys", TestRun.Cancel);
        var one = await api.Http.GetStringAsync($"/api/v1/keys/{id}", TestRun.Cancel);

        Assert.Matches("^" + ApiKey.Pattern + "$", value);
        Assert.StartsWith("aib_live_" + id, value, StringComparison.Ordinal);
        Assert.DoesNotContain(value, list + one, StringComparison.Ordinal);
        Assert.Equal(0L, await CountAsync("SELECT count(*) FROM api_keys k WHERE strpos(k::text, $1) > 0", value));
        Assert.Equal(5, made.GetProperty("limits").GetProperty("requests_per_minute").GetInt64());
        var expiry = made.GetProperty("expires_at").GetDateTimeOffset() - made.GetProperty("created_at").GetDateTimeOffset();
        Assert.InRange(expiry, TimeSpan.FromDays(89.9), TimeSpan.FromDays(90.1));
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/api/v1/jobs", TestRun.Cancel)).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await client.GetAsync("/api/v1/keys", TestRun.Cancel)).StatusCode);
        await Eventually.TrueAsync(
            async token =>
                (await api.Http.GetStringAsync($"/api/v1/keys/{id}", token)).Contains("\"last_used_at\":\"2", StringComparison.Ordinal),
            "its use is noted"
        );
    }

    [Fact]
    public async Task D_3_a_rolled_key_works_beside_the_new_one_until_the_overlap_is_over_and_is_rolled_once()
    {
        var made = await MakeAsync("""{"name":"roll","scopes":["jobs:read"],"allowed_models":["sim*"]}""");
        var id = made.GetProperty("id").GetString()!;
        using var old = api.Client(made.GetProperty("value").GetString());

        var (status, next) = await SendAsync(api.Http, HttpMethod.Post, $"/api/v1/keys/{id}/roll", """{"overlap_seconds":3600}""");
        var again = await SendAsync(api.Http, HttpMethod.Post, $"/api/v1/keys/{id}/roll");
        var cut = await SendAsync(
            api.Http,
            HttpMethod.Post,
            $"/api/v1/keys/{next.GetProperty("id").GetString()}/roll",
            """{"overlap_seconds":0}"""
        );

        Assert.Equal(HttpStatusCode.Created, status);
        Assert.Equal("sim*", next.GetProperty("allowed_models")[0].GetString());
        Assert.Equal(HttpStatusCode.OK, (await old.GetAsync("/api/v1/jobs", TestRun.Cancel)).StatusCode);
        Assert.Equal((HttpStatusCode.Conflict, "key_ended"), (again.Status, again.Body.GetProperty("code").GetString()));
        using var second = api.Client(next.GetProperty("value").GetString());
        using var third = api.Client(cut.Body.GetProperty("value").GetString());
        await Eventually.TrueAsync(
            async token => (await second.GetAsync("/api/v1/jobs", token)).StatusCode == HttpStatusCode.Unauthorized,
            "the key without overlap is over"
        );
        Assert.Equal(HttpStatusCode.OK, (await third.GetAsync("/api/v1/jobs", TestRun.Cancel)).StatusCode);
    }

    [Fact]
    public async Task A_8_a_key_revoked_over_the_api_is_refused_within_five_seconds()
    {
        var made = await MakeAsync("""{"name":"short","scopes":["jobs:read"]}""");
        var id = made.GetProperty("id").GetString();
        using var client = api.Client(made.GetProperty("value").GetString());
        (await client.GetAsync("/api/v1/jobs", TestRun.Cancel)).EnsureSuccessStatusCode();

        var revoked = await SendAsync(api.Http, HttpMethod.Delete, $"/api/v1/keys/{id}");

        Assert.Equal(HttpStatusCode.NoContent, revoked.Status);
        await Eventually.TrueAsync(
            async token => (await client.GetAsync("/api/v1/jobs", token)).StatusCode == HttpStatusCode.Unauthorized,
            "it is refused",
            TimeSpan.FromSeconds(6)
        );
        Assert.Equal(HttpStatusCode.Conflict, (await SendAsync(api.Http, HttpMethod.Delete, $"/api/v1/keys/{id}")).Status);
        Assert.Equal(
            HttpStatusCode.Conflict,
            (await SendAsync(api.Http, HttpMethod.Patch, $"/api/v1/keys/{id}", """{"name":"x"}""")).Status
        );
    }

    [Theory]
    [InlineData("""{"name":"a","scopes":["*"]}""", "scopes")]
    [InlineData("""{"name":"a","scopes":["jobs:write"]}""", "scopes")]
    [InlineData("""{"name":"a","scopes":["jobs:read"]}""", "allowed_models")]
    [InlineData("""{"name":"a","scopes":["jobs:read"],"allowed_models":["si*"]}""", "allowed_models")]
    [InlineData("""{"name":"a","scopes":["jobs:read"],"allowed_models":["sim"]}""", "allowed_networks")]
    [InlineData("""{"name":"a","scopes":["jobs:read"],"allowed_models":["sim"],"allowed_networks":["0.0.0.0/0"]}""", "allowed_networks")]
    [InlineData("""{"name":"a","scopes":["jobs:read"],"allowed_models":["sim"],"allowed_networks":["127.0.0.1/32"]}""", "highest_priority")]
    [InlineData(Within + "}", "limits")]
    [InlineData(Within + ""","limits":{"requests_per_minute":11,"tokens_per_minute":99,"max_queued":4,"max_running":1}}""", "limits")]
    [InlineData(Within + ""","limits":{"requests_per_minute":9,"tokens_per_minute":101,"max_queued":4,"max_running":1}}""", "limits")]
    [InlineData(Within + ""","limits":{"requests_per_minute":9,"tokens_per_minute":99,"max_queued":6,"max_running":1}}""", "limits")]
    [InlineData(Within + ""","limits":{"requests_per_minute":9,"tokens_per_minute":99,"max_queued":4,"max_running":3}}""", "limits")]
    public async Task A_key_makes_none_that_may_do_more_than_itself(string body, string field)
    {
        using var client = await BoundedAsync();

        var (status, problem) = await SendAsync(client, HttpMethod.Post, "/api/v1/keys", body);

        Assert.Equal((HttpStatusCode.Forbidden, "beyond_own_key"), (status, problem.GetProperty("code").GetString()));
        Assert.True(problem.GetProperty("errors").TryGetProperty(field, out _), problem.ToString());
    }

    [Fact]
    public async Task A_key_neither_rolls_nor_loosens_one_that_may_do_more_and_not_itself_but_may_revoke()
    {
        using var client = await BoundedAsync();
        var wide = (await MakeAsync("""{"name":"wide","scopes":["jobs:write"]}""")).GetProperty("id").GetString();

        var rolled = await SendAsync(client, HttpMethod.Post, $"/api/v1/keys/{wide}/roll");
        var changed = await SendAsync(client, HttpMethod.Patch, $"/api/v1/keys/{wide}", """{"name":"mine"}""");
        var own = await SendAsync(
            client,
            HttpMethod.Patch,
            $"/api/v1/keys/{await OwnIdAsync(client)}",
            """{"limits":{"requests_per_minute":0}}"""
        );
        var narrow = await SendAsync(client, HttpMethod.Post, "/api/v1/keys", Within + WithinLimits + "}");
        // Within afterwards, and not before.
        var open = (await MakeAsync("""{"name":"open","scopes":["jobs:read"]}""")).GetProperty("id").GetString();
        const string Bounds =
            """{"allowed_models":["sim"],"allowed_networks":["127.0.0.1/32"],"highest_priority":"batch" """ + WithinLimits + "}";
        var narrowed = await SendAsync(client, HttpMethod.Patch, $"/api/v1/keys/{open}", Bounds);

        Assert.Equal("beyond_own_key", rolled.Body.GetProperty("code").GetString());
        Assert.Equal("beyond_own_key", changed.Body.GetProperty("code").GetString());
        Assert.Equal("beyond_own_key", own.Body.GetProperty("code").GetString());
        Assert.Equal("beyond_own_key", narrowed.Body.GetProperty("code").GetString());
        Assert.True(narrow.Status == HttpStatusCode.Created, narrow.Body.ToString());
        Assert.Equal(HttpStatusCode.OK, (await SendAsync(api.Http, HttpMethod.Patch, $"/api/v1/keys/{open}", Bounds)).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await SendAsync(client, HttpMethod.Delete, $"/api/v1/keys/{wide}")).Status);
    }

    [Theory]
    [InlineData("{}", "name is missing")]
    [InlineData("""{"name":"a","scopes":[]}""", "scopes is missing")]
    [InlineData("""{"name":"a","scopes":["jobs:all"]}""", "has \"jobs:all\"")]
    [InlineData("""{"name":"a","scopes":["*"],"expires_in_days":4000}""", "expires_in_days is 4000")]
    [InlineData("""{"name":"a","scopes":["*"],"highest_priority":"top"}""", "highest_priority is \"top\"")]
    [InlineData("""{"name":"a","scopes":["*"],"allowed_models":["a*b"]}""", "only at the end")]
    [InlineData("""{"name":"a","scopes":["*"],"allowed_networks":["10.0.0.0/33"]}""", "no network in CIDR notation")]
    [InlineData("""{"name":"a","scopes":["*"],"limits":{"max_queued":-1}}""", "limits.max_queued is -1")]
    [InlineData("""{"name":"a","scopes":["*"],"limits":{"max_running":-1}}""", "limits.max_running is -1")]
    [InlineData("""{"name":"a","scopes":["*"],"limits":{"max_running":"many"}}""", "max_running")]
    [InlineData("""{"name":"a","scopes":["*"],"tenant_id":"x"}""", "tenant_id")]
    [InlineData("""{"name":"a","scopes":["*"],"created_by":"root"}""", "created_by")]
    [InlineData("""{"name":"a","scopes":["*"],"hash":"00"}""", "hash")]
    public async Task A_15_a_key_that_cannot_be_is_refused_with_the_remedy(string body, string detail)
    {
        var (status, problem) = await SendAsync(api.Http, HttpMethod.Post, "/api/v1/keys", body);

        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains(detail, problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_that_is_bound_to_models_submits_for_no_other()
    {
        var made = await MakeAsync("""{"name":"m","scopes":["jobs:write"],"allowed_models":["sim*"]}""");
        using var client = api.Client(made.GetProperty("value").GetString());

        using var refused = await ApiServer.PostAsync(client, Encoding.UTF8.GetBytes(ApiServer.Chat));
        using var taken = await ApiServer.PostAsync(
            client,
            Encoding.UTF8.GetBytes(ApiServer.Chat.Replace("\"type\"", "\"model\":\"sim\",\"type\"", StringComparison.Ordinal))
        );

        Assert.Equal("/problems/model-not-allowed", (await ApiServer.ReadProblemAsync(refused)).Type);
        Assert.Equal(HttpStatusCode.Accepted, taken.StatusCode);
    }

    [Theory]
    [InlineData("203.0.113.0/24", HttpStatusCode.Unauthorized)]
    [InlineData("127.0.0.1", HttpStatusCode.OK)]
    public async Task D_3_a_key_counts_only_from_the_networks_it_is_bound_to(string network, HttpStatusCode expected)
    {
        var made = await MakeAsync($$"""{"name":"n","scopes":["jobs:read"],"allowed_networks":["{{network}}"]}""");
        using var client = api.Client(made.GetProperty("value").GetString());

        using var response = await client.GetAsync("/api/v1/jobs", TestRun.Cancel);

        Assert.Equal(expected, response.StatusCode);
    }

    [Fact]
    public async Task A_1_another_tenants_keys_are_like_none_and_operators_name_a_tenant()
    {
        var id = (await MakeAsync("""{"name":"mine","scopes":["jobs:read"]}""")).GetProperty("id").GetString();
        using var stranger = api.Client(await api.AddTenantAsync());

        var foreign = await SendAsync(stranger, HttpMethod.Get, $"/api/v1/keys/{id}");
        var named = await SendAsync(stranger, HttpMethod.Get, "/api/v1/keys?tenant=default");
        var revoked = await SendAsync(stranger, HttpMethod.Delete, $"/api/v1/keys/{id}");

        Assert.Equal("key_not_found", foreign.Body.GetProperty("code").GetString());
        Assert.Equal("missing_scope", named.Body.GetProperty("code").GetString());
        Assert.Equal("key_not_found", revoked.Body.GetProperty("code").GetString());
    }

    private async Task<JsonElement> MakeAsync(string body)
    {
        var (status, made) = await SendAsync(api.Http, HttpMethod.Post, "/api/v1/keys", body);
        Assert.True(status == HttpStatusCode.Created, made.ToString());
        return made;
    }

    /// <summary>A key that may make keys, and is bound in every way.</summary>
    private async Task<HttpClient> BoundedAsync()
    {
        var made = await MakeAsync(
            """
            {"name":"bounded","scopes":["jobs:read","keys:write","keys:read"],"allowed_models":["sim*"],"highest_priority":"batch",
             "allowed_networks":["127.0.0.0/8"],
             "limits":{"requests_per_minute":10,"tokens_per_minute":100,"max_queued":5,"max_running":2}}
            """
        );
        return api.Client(made.GetProperty("value").GetString());
    }

    private static Task<string> OwnIdAsync(HttpClient client) =>
        Task.FromResult(ApiKey.TryParse(client.DefaultRequestHeaders.Authorization!.Parameter!)!.Id);

    private async Task<long> CountAsync(string sql, string value)
    {
#pragma warning disable CA2100 // Constants of this file.
        await using var command = api.Db.Source.CreateCommand(sql);
#pragma warning restore CA2100
        command.Parameters.AddWithValue(value);
        return (long)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }

    internal static async Task<(HttpStatusCode Status, JsonElement Body)> SendAsync(
        HttpClient client,
        HttpMethod method,
        string path,
        string? body = null
    )
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null)
        {
            request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        }

        using var response = await client.SendAsync(request, TestRun.Cancel);
        var bytes = await response.Content.ReadAsByteArrayAsync(TestRun.Cancel);
        return (response.StatusCode, bytes.Length == 0 ? default : JsonDocument.Parse(bytes).RootElement);
    }
}
