using System.Net;
using AiBackend.Api.Auth.Limits;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Tenancy;

/// <summary>Whoever guesses is refused sooner than looked up.</summary>
public sealed partial class AttemptLimitTests(PostgresServer postgres)
{
    private const int Most = 5;

    [Fact]
    public async Task A_7_and_a_13_too_many_requests_without_a_valid_key_are_refused_and_a_key_in_use_is_not()
    {
        await using var api = new GuessedServer(postgres);
        await api.InitializeAsync();
        (await api.Http.GetAsync("/api/v1/jobs", TestRun.Cancel)).EnsureSuccessStatusCode();
        using var stranger = api.Client(ApiKey.Create(live: false).Text);

        var answers = await AskAsync(stranger, "/api/v1/jobs");

        Assert.Equal(HttpStatusCode.TooManyRequests, answers[^1]);
        Assert.Equal(Most, answers.Count(status => status == HttpStatusCode.Unauthorized));
        // A right guess is told nothing else: the database is not asked for it.
        using var guessed = api.Client(await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "*"));
        Assert.Equal(HttpStatusCode.TooManyRequests, (await guessed.GetAsync("/api/v1/jobs", TestRun.Cancel)).StatusCode);
        using var refused = await stranger.GetAsync("/api/v1/jobs", TestRun.Cancel);
        Assert.Equal("/problems/too-many-attempts", (await ApiServer.ReadProblemAsync(refused)).Type);
        Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60));
        Assert.Equal(HttpStatusCode.OK, (await api.Http.GetAsync("/api/v1/jobs", TestRun.Cancel)).StatusCode);
    }

    [Fact]
    public async Task D_13_an_address_has_so_many_requests_with_whatever_keys_and_other_addresses_have_theirs()
    {
        await using var api = new CrowdedServer(postgres);
        await api.InitializeAsync();
        using var other = api.Client(await api.AddTenantAsync());
        using var nobody = api.Client(null);
        var asked = new List<HttpStatusCode>();
        for (var i = 0; i < Most; i++)
        {
            using var answer = await (i % 2 == 0 ? api.Http : other).GetAsync("/api/v1/jobs", TestRun.Cancel);
            asked.Add(answer.StatusCode);
        }

        using var over = await api.Http.GetAsync("/api/v1/jobs", TestRun.Cancel);
        using var open = await nobody.GetAsync("/problems", TestRun.Cancel);
        using var elsewhere = new HttpRequestMessage(HttpMethod.Get, "/api/v1/jobs");
        elsewhere.Headers.Add("X-Forwarded-For", "203.0.113.9");
        using var free = await api.Http.SendAsync(elsewhere, TestRun.Cancel);

        Assert.All(asked, status => Assert.Equal(HttpStatusCode.OK, status));
        Assert.Equal("/problems/address-limit-reached", (await ApiServer.ReadProblemAsync(over)).Type);
        Assert.Equal($"\"address\";q={Most};w=60", over.Headers.GetValues("RateLimit-Policy").Single());
        Assert.InRange(over.Headers.RetryAfter!.Delta!.Value, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60));
        Assert.Equal((HttpStatusCode.TooManyRequests, HttpStatusCode.OK), (open.StatusCode, free.StatusCode));
    }

    [Fact]
    public async Task A_6_guessing_ids_is_throttled_whatever_they_are_of()
    {
        await using var api = new GuessedServer(postgres);
        await api.InitializeAsync();
        var (job, id) = (await api.SubmitAsync(), Guid.CreateVersion7());
        string[] paths =
        [
            $"/api/v1/jobs/{id}",
            $"/api/v1/files/{id}",
            $"/api/v1/budgets/{id}",
            $"/api/v1/webhooks/{id}",
            $"/api/v1/conversations/{id}",
            $"/api/v1/reviews/{id}.1",
            $"/api/v1/bulk/{id}",
            $"/v1/responses/resp_{id:N}",
            $"/v1/files/file-{id:N}",
            $"/v1/batches/batch_{id:N}",
        ];

        foreach (var path in paths)
        {
            using var guesser = api.Client(await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "*"));
            var answers = await AskAsync(guesser, path);

            Assert.Equal((path, Most), (path, answers.Count(status => status == HttpStatusCode.NotFound)));
            Assert.Equal((path, HttpStatusCode.TooManyRequests), (path, answers[^1]));
        }

        Assert.Equal(job.Id, (await api.GetJobAsync(job.Id)).Id);
    }

    [Fact]
    public async Task A_29_messages_that_prove_nobody_are_refused_before_they_are_read()
    {
        await using var api = new GuessedServer(postgres);
        await api.InitializeAsync();
        using var stranger = api.Client(null);
        var answers = new List<HttpStatusCode>();
        for (var i = 0; i < Most + 2; i++)
        {
            using var body = new StringContent("{}");
            using var response = await stranger.PostAsync(
                $"/api/v1/webhooks/inbound/{Guid.CreateVersion7()}/messages",
                body,
                TestRun.Cancel
            );
            answers.Add(response.StatusCode);
        }

        Assert.Equal(Most, answers.Count(status => status == HttpStatusCode.Unauthorized));
        Assert.Equal(HttpStatusCode.TooManyRequests, answers[^1]);
        // Nor is what else would be wrong with one.
        using var odd = await stranger.PostAsync($"/api/v1/webhooks/inbound/{Guid.CreateVersion7()}/messages?x=1", null, TestRun.Cancel);
        Assert.Equal(HttpStatusCode.TooManyRequests, odd.StatusCode);
    }

    private static async Task<List<HttpStatusCode>> AskAsync(HttpClient client, string path)
    {
        var answers = new List<HttpStatusCode>();
        for (var i = 0; i < Most + 2; i++)
        {
            using var response = await client.GetAsync(path, TestRun.Cancel);
            answers.Add(response.StatusCode);
        }

        return answers;
    }

    private sealed class CrowdedServer(PostgresServer postgres) : ApiServer(postgres)
    {
        protected override IEnumerable<(string Name, string Value)> Settings =>
            [("Limits:AddressRequestsPerMinute", "5"), ("Proxies:0", "127.0.0.0/8")];
    }

    /// <summary>With a minute that is not over before the test is.</summary>
    private sealed class GuessedServer(PostgresServer postgres) : ApiServer(postgres)
    {
        private readonly FakeTime _clock = new();

        protected override void Add(IHostApplicationBuilder builder) =>
            builder.Services.AddSingleton(services => new AttemptLimits(services.GetRequiredService<IOptions<AttemptOptions>>(), _clock));

        protected override IEnumerable<(string Name, string Value)> Settings =>
            [("Limits:FailedRequestsPerMinute", "5"), ("Limits:UnknownObjectsPerMinute", "5")];
    }
}
