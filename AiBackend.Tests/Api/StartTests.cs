using System.Net;
using System.Text;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Streaming;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tenancy.Users;
using AiBackend.Tests.Fixtures;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Api;

/// <summary>A server that takes jobs which measure the queue.</summary>
public sealed class MeasuredApi(PostgresServer postgres) : ApiServer(postgres)
{
    protected override IEnumerable<(string, string)> Settings => [("Bench:Noop", "true")];
}

/// <summary>What the Api accepts as configuration.</summary>
public sealed class StartTests(MeasuredApi api) : IClassFixture<MeasuredApi>
{
    internal static readonly (string, string)[] Sound =
    [
        ("ConnectionStrings:aibackend", "Host=127.0.0.1;Port=1"),
        ("ConnectionStrings:redis", "127.0.0.1:1"),
        ("Tenancy:KeyPepper", "a pepper that nobody else knows, for this test"),
        ("OPENAI_API_KEY", "sk-test"),
        ("AllowedHosts", "127.0.0.1"),
    ];

    [Fact]
    public async Task A_noop_job_is_accepted_where_it_is_switched_on()
    {
        var job = await api.SubmitAsync("""{"type":"noop","input":{"padding":"x"}}""");

        Assert.Equal(("noop", null), (job.Type, job.Title));
        await api.SubmitAsync("""{"type":"noop"}""");
        using var wrong = await api.PostAsync("""{"type":"noop","input":{"messages":[]}}""");
        Assert.Equal("/problems/unknown-member", (await ApiServer.ReadProblemAsync(wrong)).Type);
        using var unknown = await api.PostAsync("""{"type":"nope"}""");
        Assert.Contains("chat, noop", (await ApiServer.ReadProblemAsync(unknown)).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void A_71_production_refuses_to_start_with_noop_jobs_and_says_why()
    {
        var failure = Assert.Throws<OptionsValidationException>(() => ApiServer.Create([.. Sound, ("Bench:Noop", "true")], "Production"));

        Assert.Contains("Bench:Noop is true, which Production refuses", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Development", true)]
    [InlineData("Production", false)]
    public async Task A_8_a_key_for_tests_opens_nothing_in_production(string environment, bool opens)
    {
        var callers = new Callers(
            api.Get<ApiKeyStore>(),
            api.Get<SessionStore>(),
            new HostingEnvironment { EnvironmentName = environment }
        );

        Assert.Equal(opens, await callers.FindAsync(api.Key, TestRun.Cancel) is not null);
        Assert.Equal(opens, callers.IsKnown(api.Key));
    }

    [Fact]
    public void A_14_a_revoked_key_reads_on_for_five_seconds_at_most() =>
        Assert.InRange(ApiKeyStore.StaleTime + new StreamingOptions().KeyCheck, TimeSpan.Zero, TimeSpan.FromSeconds(5));

    [Theory]
    [InlineData("AllowedHosts", "*", "AllowedHosts is '*', which takes any name")]
    [InlineData("AllowedHosts", "api.example.com;*", "AllowedHosts is 'api.example.com;*'")]
    [InlineData("ConnectionStrings:redis", "redis.internal:6379", "leads to redis.internal:6379 without a password")]
    [InlineData("ConnectionStrings:redis", "127.0.0.1:1,10.0.0.7:6379", "leads to 10.0.0.7:6379 without a password")]
    [InlineData("Tenancy:KeyPepper", "development-only-pepper-of-api-keys", "Tenancy:KeyPepper is the one of Development")]
    [InlineData("Tenancy:KeyPepper", "", "Tenancy:KeyPepper is not set")]
    [InlineData("urls", "http://127.0.0.1:0;https://127.0.0.1:0", "'https://127.0.0.1:0' is https without a certificate")]
    [InlineData("https_ports", "8443", "'https_ports=8443' is https without a certificate")]
    [InlineData("Kestrel:Endpoints:Public:Url", "https://*:8443", "'https://*:8443' is https without a certificate")]
    public void A_71_production_refuses_what_is_open_to_the_world_and_names_the_remedy(string name, string value, string reason)
    {
        var failure = Assert.ThrowsAny<Exception>(() =>
            ApiServer.Create([.. Sound.Where(each => each.Item1 != name), (name, value)], "Production")
        );

        Assert.Contains(reason, failure.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_26_a_foreign_host_name_is_refused_and_links_are_never_made_of_one()
    {
        await using var app = ApiServer.Create(Sound, "Production");
        await app.StartAsync(TestRun.Cancel);
        using var http = new HttpClient(new SocketsHttpHandler()) { BaseAddress = new Uri(app.Urls.Single()) };
        using var foreign = new HttpRequestMessage(HttpMethod.Get, "/health/live") { Headers = { Host = "evil.example" } };

        using var refused = await http.SendAsync(foreign, TestRun.Cancel);

        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        await app.StopAsync(TestRun.Cancel);
        using var posted = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs")
        {
            Headers = { { "X-Forwarded-Host", "evil.example" }, { "X-Forwarded-Proto", "https" } },
            Content = new StringContent(ApiServer.Chat, Encoding.UTF8, "application/json"),
        };
        using var accepted = await api.Http.SendAsync(posted, TestRun.Cancel);
        Assert.StartsWith("/api/v1/jobs/", accepted.Headers.Location?.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("evil.example", await accepted.Content.ReadAsStringAsync(TestRun.Cancel), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_71_production_refuses_a_superuser_of_Postgres_and_says_who_may_log_in()
    {
        (string, string)[] own = [("ConnectionStrings:aibackend", api.Db.ConnectionString)];
        await using var app = ApiServer.Create([.. own, .. Sound[1..]], "Production");

        var failure = await Assert.ThrowsAsync<InvalidOperationException>(() => app.StartAsync(TestRun.Cancel));

        Assert.Contains("logs in as 'postgres', a superuser of Postgres", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("00:00:15.001")]
    [InlineData("00:00:00")]
    public void A_heartbeat_out_of_bounds_is_refused(string heartbeat)
    {
        var failure = Assert.Throws<OptionsValidationException>(() => ApiServer.Create([.. Sound, ("Streaming:Heartbeat", heartbeat)]));

        Assert.Contains("Heartbeat", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Production_starts_when_everything_is_sound_and_is_not_ready_without_its_servers()
    {
        await using var app = ApiServer.Create(Sound, "Production");
        await app.StartAsync(TestRun.Cancel);
        using var http = new HttpClient(new SocketsHttpHandler()) { BaseAddress = new Uri(app.Urls.Single()) };

        using var live = await http.GetAsync("/health/live", TestRun.Cancel);
        using var ready = await http.GetAsync("/health/ready", TestRun.Cancel);

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.ServiceUnavailable), (live.StatusCode, ready.StatusCode));
        await app.StopAsync(TestRun.Cancel);
    }
}
