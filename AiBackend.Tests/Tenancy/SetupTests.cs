using System.Net;
using System.Text.Json;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tenancy.Users;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using static AiBackend.Tests.Tenancy.KeyApiTests;

namespace AiBackend.Tests.Tenancy;

/// <summary>The first administrator: no stranger is first, and there is one first.</summary>
public sealed class SetupTests(PostgresServer postgres)
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task D_2_who_has_the_token_or_a_key_makes_the_first_administrator_once_and_a_stranger_none(bool byKey)
    {
        await using var api = new ApiServer(postgres);
        await api.InitializeAsync();
        using var anybody = api.Client(null);
        var token = await api.Get<SetupToken>().MakeAsync(TestRun.Cancel);
        var reader = await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "jobs:read", "users:read");

        var before = await SendAsync(anybody, HttpMethod.Get, "/api/v1/setup");
        var strangers = new[]
        {
            await SetUpAsync(anybody, "", 1),
            await SetUpAsync(anybody, "aibt_" + new string('a', 36), 2),
            await SetUpAsync(anybody, reader, 3),
            await SetUpAsync(anybody, await api.AddTenantAsync(), 4),
        };
        var all = await Task.WhenAll(Enumerable.Range(10, 8).Select(turn => SetUpAsync(anybody, byKey ? api.Key : token!, turn)));
        var after = await SendAsync(anybody, HttpMethod.Get, "/api/v1/setup");

        Assert.True(before.Body.GetProperty("needed").GetBoolean());
        Assert.False(after.Body.GetProperty("needed").GetBoolean());
        Assert.All(strangers, answer => Assert.Equal("sign_in_failed", answer.Body.GetProperty("code").GetString()));
        var made = Assert.Single(all, answer => answer.Status == HttpStatusCode.Created);
        Assert.Equal("admin", made.Body.GetProperty("role").GetString());
        Assert.Null(await api.Get<SetupToken>().MakeAsync(TestRun.Cancel));
        var signedIn = await SendAsync(
            anybody,
            HttpMethod.Post,
            "/api/v1/sessions",
            JsonSerializer.Serialize(new { email = made.Body.GetProperty("email").GetString(), password = "the first password" })
        );
        Assert.Equal(HttpStatusCode.Created, signedIn.Status);
    }

    [Fact]
    public async Task D_2_who_is_first_in_another_organisation_or_only_looks_leaves_the_installation_to_be_set_up()
    {
        await using var api = new ApiServer(postgres);
        await api.InitializeAsync();
        using var anybody = api.Client(null);
        using var tenant = api.Client(await api.AddTenantAsync());
        await using var apart = api.Db.Source.CreateCommand(
            """
            INSERT INTO organisations (id, slug, name) SELECT id, 'apart', 'Apart' FROM tenants WHERE slug <> 'default';
            UPDATE tenants SET organisation_id = id
            """
        );
        await apart.ExecuteNonQueryAsync(TestRun.Cancel);
        var token = await api.Get<SetupToken>().MakeAsync(TestRun.Cancel);

        var stranger = await SendAsync(tenant, HttpMethod.Post, "/api/v1/users", UserOf("their@apart.example", "admin"));
        var viewer = await SendAsync(api.Http, HttpMethod.Post, "/api/v1/users", UserOf("viewer@our.example", "viewer"));
        var needed = await SendAsync(anybody, HttpMethod.Get, "/api/v1/setup");
        var made = await SetUpAsync(anybody, token!, 1);
        var again = await SetUpAsync(anybody, token!, 2);

        Assert.Equal((HttpStatusCode.Created, HttpStatusCode.Created), (stranger.Status, viewer.Status));
        Assert.True(needed.Body.GetProperty("needed").GetBoolean());
        Assert.Equal("admin", made.Body.GetProperty("role").GetString());
        Assert.Equal("default", made.Body.GetProperty("organisation").GetString());
        Assert.Equal(HttpStatusCode.Unauthorized, again.Status);
        Assert.False((await SendAsync(anybody, HttpMethod.Get, "/api/v1/setup")).Body.GetProperty("needed").GetBoolean());
    }

    private static string UserOf(string email, string role) =>
        JsonSerializer.Serialize(
            new
            {
                email,
                role,
                password = "a long password",
            }
        );

    private static Task<(HttpStatusCode Status, JsonElement Body)> SetUpAsync(HttpClient client, string token, int turn) =>
        SendAsync(
            client,
            HttpMethod.Post,
            "/api/v1/setup",
            JsonSerializer.Serialize(
                new
                {
                    token,
                    email = $"first{turn}@example.com",
                    password = "the first password",
                }
            )
        );
}
