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
