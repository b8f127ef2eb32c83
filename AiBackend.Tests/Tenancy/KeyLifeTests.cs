using System.Net;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using static AiBackend.Tests.Tenancy.KeyApiTests;

namespace AiBackend.Tests.Tenancy;

/// <summary>How long keys live that other keys make, and how many there may be.</summary>
public sealed class KeyLifeTests(ApiServer api) : IClassFixture<ApiServer>
{
    [Fact]
    public async Task D_3_a_key_gives_no_other_a_longer_life_than_its_own_and_who_signed_in_may()
    {
        var made = (
            await SendAsync(
                api.Http,
                HttpMethod.Post,
                "/api/v1/keys",
                """{"name":"brief","scopes":["jobs:read","keys:write"],"expires_in_days":7}"""
            )
        ).Body;
        using var brief = api.Client(made.GetProperty("value").GetString());
        var own = made.GetProperty("expires_at").GetDateTimeOffset();
        const string Wanted = """{"name":"next","scopes":["jobs:read"]""";

        var asked = await SendAsync(brief, HttpMethod.Post, "/api/v1/keys", Wanted + ""","expires_in_days":8}""");
        var forEver = await SendAsync(brief, HttpMethod.Post, "/api/v1/keys", Wanted + ""","expires_in_days":0}""");
        var shorter = await SendAsync(brief, HttpMethod.Post, "/api/v1/keys", Wanted + ""","expires_in_days":3}""");
        var silent = await SendAsync(brief, HttpMethod.Post, "/api/v1/keys", Wanted + "}");
        var rolledLonger = await SendAsync(
            brief,
            HttpMethod.Post,
            $"/api/v1/keys/{made.GetProperty("id").GetString()}/roll",
            """{"expires_in_days":90}"""
        );
        var rolled = await SendAsync(brief, HttpMethod.Post, $"/api/v1/keys/{made.GetProperty("id").GetString()}/roll");

        Assert.All(
            new[] { asked, forEver, rolledLonger },
            refused =>
            {
                Assert.Equal((HttpStatusCode.Forbidden, "beyond_own_key"), (refused.Status, refused.Body.GetProperty("code").GetString()));
                Assert.True(refused.Body.GetProperty("errors").TryGetProperty("expires_in_days", out _));
            }
        );
        Assert.True(shorter.Body.GetProperty("expires_at").GetDateTimeOffset() < own);
        Assert.Equal(own, silent.Body.GetProperty("expires_at").GetDateTimeOffset());
        Assert.Equal(own, rolled.Body.GetProperty("expires_at").GetDateTimeOffset());
    }

    [Fact]
    public async Task A_tenant_does_not_pass_its_number_of_keys_by_rolling_them_with_overlap()
    {
        using var admin = api.Client(await api.AddTenantAsync());
        var first = (await SendAsync(admin, HttpMethod.Post, "/api/v1/keys", """{"name":"a","scopes":["jobs:read"]}""")).Body;
        var id = first.GetProperty("id").GetString();
        await using var fill = api.Db.Source.CreateCommand(
            """
            INSERT INTO api_keys (key_id, tenant_id, name, hash, scopes)
            SELECT 'many' || n, k.tenant_id, 'x', '-', '{}' FROM api_keys k, generate_series(1, 998) n WHERE k.key_id = $1
            """
        );
        fill.Parameters.AddWithValue(id!);
        await fill.ExecuteNonQueryAsync(TestRun.Cancel);

        var overlapping = await SendAsync(admin, HttpMethod.Post, $"/api/v1/keys/{id}/roll", """{"overlap_seconds":60}""");
        var inItsPlace = await SendAsync(admin, HttpMethod.Post, $"/api/v1/keys/{id}/roll", """{"overlap_seconds":0}""");
        var again = await SendAsync(admin, HttpMethod.Post, $"/api/v1/keys/{id}/roll");

        Assert.Equal((HttpStatusCode.Conflict, "too_many_keys"), (overlapping.Status, overlapping.Body.GetProperty("code").GetString()));
        Assert.Equal(HttpStatusCode.Created, inItsPlace.Status);
        Assert.Equal("key_ended", again.Body.GetProperty("code").GetString());
    }
}
