using System.Net;
using AiBackend.Api.Auth.Limits;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using Microsoft.Extensions.Options;
using static AiBackend.Tests.Tenancy.KeyApiTests;

namespace AiBackend.Tests.Tenancy;

/// <summary>How much of a server a tenant may have, by what it asks for, and what a new one may spend.</summary>
public sealed class TenantLimitTests(PostgresServer postgres)
{
    private const int Most = 4;

    [Theory]
    [InlineData("GET", "/api/v1/jobs", "tenant-read")]
    [InlineData("POST", "/api/v1/jobs", "tenant-submit")]
    // a storm of cancels.
    [InlineData("POST", "/api/v1/jobs/00000000-0000-7000-8000-000000000000/cancel", "tenant-submit")]
    [InlineData("DELETE", "/api/v1/keys/nobody00", "tenant-admin")]
    [InlineData("GET", "/api/v1/jobs/00000000-0000-7000-8000-000000000000/events", "tenant-stream")]
    public async Task D_13_a_tenant_has_so_many_requests_of_each_class_and_others_have_theirs(string method, string path, string limit)
    {
        await using var api = new LimitedServer(postgres);
        await api.InitializeAsync();
        var first = api.Client(await api.AddTenantAsync());
        // Another key of the same tenant, and another tenant.
        var sibling = api.Client(await api.AddKeyAsync(await TenantOfAsync(api, first), "*"));
        var stranger = api.Client(await api.AddTenantAsync());
        var answers = new List<HttpStatusCode>();
        for (var i = 0; i < Most; i++)
        {
            answers.Add((await SendAsync(i % 2 == 0 ? first : sibling, new HttpMethod(method), path)).Status);
        }

        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        using var over = await first.SendAsync(request, TestRun.Cancel);
        var others = await SendAsync(stranger, new HttpMethod(method), path);

        Assert.DoesNotContain(HttpStatusCode.TooManyRequests, answers);
        Assert.NotEqual(HttpStatusCode.TooManyRequests, others.Status);
        Assert.Equal("/problems/tenant-limit-reached", (await ApiServer.ReadProblemAsync(over)).Type);
        Assert.Equal($"\"{limit}\";q={Most};w=60", over.Headers.GetValues("RateLimit-Policy").Single());
        Assert.StartsWith($"\"{limit}\";r=0;t=", over.Headers.GetValues("RateLimit").Single(), StringComparison.Ordinal);
        Assert.InRange(over.Headers.RetryAfter!.Delta!.Value, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task D_13_under_v1_a_tenant_s_limit_is_told_in_the_headers_of_OpenAI()
    {
        await using var api = new LimitedServer(postgres);
        await api.InitializeAsync();
        using var client = api.Client(await api.AddTenantAsync());
        HttpResponseMessage over;
        var asked = 0;
        do
        {
            over = await client.GetAsync("/v1/files", TestRun.Cancel);
        } while (over.StatusCode != HttpStatusCode.TooManyRequests && ++asked <= 2 * Most);

        using (over)
        {
            Assert.Equal(HttpStatusCode.TooManyRequests, over.StatusCode);
            Assert.Equal(("0", $"{Most}"), (Header("remaining"), Header("limit")));
            Assert.Matches("^([0-9.]+(ms|s|m))+$", Header("reset"));
            Assert.False(over.Headers.Contains("RateLimit"));
        }

        string Header(string what) => over.Headers.GetValues($"x-ratelimit-{what}-requests").Single();
    }

    [Fact]
    public async Task A_44_a_key_has_so_many_streams_open_and_another_when_one_is_closed()
    {
        await using var api = new LimitedServer(postgres, "1000");
        await api.InitializeAsync();
        var path = $"/api/v1/jobs/{(await api.SubmitAsync()).Id}/events";
        var first = await OpenAsync(api, path);
        using var second = await OpenAsync(api, path);

        using var third = await OpenAsync(api, path);
        first.Dispose();

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.TooManyRequests), (second.StatusCode, third.StatusCode));
        var problem = await ApiServer.ReadProblemAsync(third);
        Assert.Equal("/problems/key-limit-reached", problem.Type);
        Assert.Contains("open_streams, which is 2", problem.Detail, StringComparison.Ordinal);
        await Eventually.TrueAsync(
            async _ =>
            {
                using var again = await OpenAsync(api, path);
                return again.StatusCode == HttpStatusCode.OK;
            },
            "a place is free"
        );
    }

    [Fact]
    public async Task A_44_streams_of_posts_count_too_and_those_at_the_same_time_make_no_more_jobs_than_there_is_room_for()
    {
        await using var api = new LimitedServer(postgres, "1000", submits: "1000");
        await api.InitializeAsync();

        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => StreamAsync(api, i % 2 == 0)));

        Assert.Equal(
            (2, 6),
            (
                answers.Count(answer => answer.StatusCode == HttpStatusCode.OK),
                answers.Count(answer => answer.StatusCode == HttpStatusCode.TooManyRequests)
            )
        );
        await using var count = api.Db.Source.CreateCommand("SELECT count(*) FROM jobs");
        Assert.Equal(2L, await count.ExecuteScalarAsync(TestRun.Cancel));
        foreach (var answer in answers)
        {
            answer.Dispose();
        }
    }

    [Theory]
    [InlineData("5", 1)]
    [InlineData("0", 0)]
    public async Task D_14_a_new_tenant_begins_with_a_budget_a_day_unless_the_operator_wants_none(string usd, int budgets)
    {
        await using var api = new PoorServer(postgres, usd);
        await api.InitializeAsync();
        await SendAsync(api.Http, HttpMethod.Post, "/api/v1/organisations", """{"slug":"fresh"}""");

        var made = await SendAsync(api.Http, HttpMethod.Post, "/api/v1/tenants", """{"slug":"fresh","organisation":"fresh"}""");

        Assert.Equal(HttpStatusCode.Created, made.Status);
        var own = (await SendAsync(api.Http, HttpMethod.Get, "/api/v1/budgets?tenant=fresh")).Body.GetProperty("data");
        Assert.Equal(budgets, own.GetArrayLength());
        if (budgets > 0)
        {
            Assert.Equal(
                ("tenant", "day", 5m, true),
                (
                    own[0].GetProperty("scope").GetString(),
                    own[0].GetProperty("window").GetString(),
                    own[0].GetProperty("limit_usd").GetDecimal(),
                    own[0].GetProperty("hard").GetBoolean()
                )
            );
        }

        Assert.Equal(0, (await SendAsync(api.Http, HttpMethod.Get, "/api/v1/budgets")).Body.GetProperty("data").GetArrayLength());
    }

    [Theory]
    [InlineData("Production", 5)]
    [InlineData("Development", 0)]
    public void D_14_the_default_is_five_dollars_outside_Development(string environment, int usd)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { EnvironmentName = environment });
        builder.Configuration["Tenancy:KeyPepper"] = "a pepper for this test that is long enough";
        builder.AddTenancy();
        using var host = builder.Build();

        Assert.Equal(usd, host.Services.GetRequiredService<IOptions<TenancyOptions>>().Value.NewTenantUsdPerDay);
    }

    [Fact]
    public void D_13_every_endpoint_has_a_class_and_what_streams_is_a_stream()
    {
        using var app = ApiServer.Create([
            ("ConnectionStrings:aibackend", "Host=127.0.0.1;Port=9"),
            ("ConnectionStrings:redis", "127.0.0.1:9"),
        ]);

        var classes = ((IEndpointRouteBuilder)app)
            .DataSources.SelectMany(source => source.Endpoints)
            .OfType<RouteEndpoint>()
            .GroupBy(endpoint => (EndpointClass)TenantLimits.Classify(endpoint))
            .ToDictionary(
                group => group.Key,
                group => group.Select(endpoint => endpoint.RoutePattern.RawText).ToHashSet(StringComparer.Ordinal)
            );

        Assert.Superset(
            new HashSet<string?>(["/api/v1/jobs/{id}/events", "/hubs/jobs", "/v1/responses/{id}", "/api/v1/tenants/{slug}/export"]),
            classes[EndpointClass.Stream]
        );
        Assert.Superset(new HashSet<string?>(["/api/v1/jobs/", "/v1/chat/completions", "/v1/responses"]), classes[EndpointClass.Submit]);
        Assert.Contains("/api/v1/keys/{id}", classes[EndpointClass.Admin]);
        Assert.Contains("/api/v1/jobs/{id}", classes[EndpointClass.Read]);
    }

    private static Task<HttpResponseMessage> OpenAsync(ApiServer api, string path) =>
        api.Http.GetAsync(path, HttpCompletionOption.ResponseHeadersRead, TestRun.Cancel);

    private static async Task<HttpResponseMessage> StreamAsync(ApiServer api, bool isChat)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, isChat ? "/v1/chat/completions" : "/v1/responses")
        {
            Content = new StringContent(
                isChat
                    ? """{"model":"default","stream":true,"messages":[{"role":"user","content":"Hi"}]}"""
                    : """{"model":"default","stream":true,"input":"Hi"}""",
                System.Text.Encoding.UTF8,
                "application/json"
            ),
        };
        return await api.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestRun.Cancel);
    }

    private static async Task<Guid> TenantOfAsync(ApiServer api, HttpClient client)
    {
        await using var command = api.Db.Source.CreateCommand("SELECT tenant_id FROM api_keys WHERE key_id = $1");
        command.Parameters.AddWithValue(ApiKey.TryParse(client.DefaultRequestHeaders.Authorization!.Parameter!)!.Id);
        return (Guid)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }

    private sealed class LimitedServer(PostgresServer postgres, string streams = "4", string submits = "4") : ApiServer(postgres)
    {
        protected override IEnumerable<(string Name, string Value)> Settings =>
            [
                ("Limits:TenantReadsPerMinute", "4"),
                ("Limits:TenantSubmitsPerMinute", submits),
                ("Limits:TenantAdminPerMinute", "4"),
                ("Limits:TenantStreamsPerMinute", streams),
                ("Limits:OpenStreamsPerKey", "2"),
            ];
    }

    private sealed class PoorServer(PostgresServer postgres, string usd) : ApiServer(postgres)
    {
        protected override IEnumerable<(string Name, string Value)> Settings => [("Tenancy:NewTenantUsdPerDay", usd)];
    }
}
