using System.Net;
using System.Text;
using AiBackend.Api.OpenAi.Wire;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tenancy.Limits;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Tenancy;

/// <summary>How much a key may ask for, over all servers.</summary>
public sealed class KeyLimitTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const int Limit = 100;

    [Fact]
    public async Task D_13_two_servers_together_let_in_no_more_than_the_limit_in_any_minute()
    {
        var caller = new Caller(ApiKeyStore.DefaultTenant, "shared", [], "standard", null) { Limits = new KeyLimits(Limit, null, null) };
        var servers = Enumerable.Range(0, 2).Select(_ => new KeyAllowances(api.Db.Source, api.Db.Source, TimeProvider.System)).ToList();
        var before = await MinuteAsync();

        var answers = await Task.WhenAll(
            Enumerable.Range(0, 4 * Limit).Select(turn => Task.Run(async () => await servers[turn % 2].TakeAsync(caller, 1)))
        );

        var minutes = await MinuteAsync() - before + 1;
        var taken = answers.Count(answer => answer.Exceeded is null);
        // Less than a twentieth of the limit may lie unused at each server.
        Assert.InRange(taken, Limit - (2 * Limit / 20), Limit * minutes);
        Assert.All(
            answers.Where(answer => answer.Exceeded is not null),
            refused =>
            {
                Assert.Equal(("requests_per_minute", (long)Limit), (refused.Exceeded, refused.Most));
                Assert.InRange(refused.RetryAfter, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60));
            }
        );
    }

    [Fact]
    public async Task D_13_a_busy_key_asks_postgres_some_twenty_times_a_minute_and_a_refused_one_never()
    {
        var (asked, left) = (0, 1000L);
        var allowance = new Allowance(
            (wanted, least, _) =>
            {
                asked++;
                var granted = Math.Min(wanted, left) is var most && most >= least ? most : 0;
                left -= granted;
                return Task.FromResult((granted, left, TimeSpan.FromMinutes(1)));
            },
            new FakeTime()
        );

        for (var i = 0; i < 1000; i++)
        {
            Assert.True(await allowance.TryTakeAsync(1, 1000));
        }

        Assert.InRange(asked, 1, 20);
        asked = 0;
        Assert.False(await allowance.TryTakeAsync(1, 1000));
        Assert.False(await allowance.TryTakeAsync(1, 1000));
        Assert.Equal((0, 0L), (asked, allowance.Describe(1000).Remaining));
    }

    [Theory]
    [InlineData("requests_per_minute", 2, "\"rpm\";q=2;w=60", "\"rpm\";r=")]
    [InlineData("tokens_per_minute", 3, "\"tpm\";q=3;w=60", "\"tpm\";r=0;t=")]
    public async Task A_44_what_is_beyond_a_limit_is_a_429_that_names_it_and_when_to_come_back(
        string limit,
        int most,
        string policy,
        string state
    )
    {
        using var client = await KeyAsync($$"""{"{{limit}}":{{most}}}""");
        var accepted = 0;

        // The minute may turn once meanwhile.
        while (true)
        {
            using var response = await ApiServer.PostAsync(client, Encoding.UTF8.GetBytes(ApiServer.Chat));
            Assert.Equal(policy, Assert.Single(response.Headers.GetValues("RateLimit-Policy")));
            var told = Assert.Single(response.Headers.GetValues("RateLimit"));
            // Where the minute has ended since the decision all of it is there again.
            Assert.True(told.StartsWith(state, StringComparison.Ordinal) || told == $"\"tpm\";r={most};t=0", told);
            if (response.StatusCode == HttpStatusCode.Accepted)
            {
                Assert.InRange(++accepted, 1, 2 * most);
                continue;
            }

            var problem = await ApiServer.ReadProblemAsync(response);
            Assert.Equal("/problems/key-limit-reached", problem.Type);
            Assert.Contains(limit, problem.Detail, StringComparison.Ordinal);
            Assert.InRange(response.Headers.RetryAfter!.Delta!.Value, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60));
            break;
        }

        Assert.InRange(accepted, 1, 2 * most);
    }

    [Fact]
    public async Task Under_v1_the_limits_are_told_in_the_headers_of_OpenAI()
    {
        using var client = await KeyAsync("""{"requests_per_minute":9,"tokens_per_minute":900000}""");
        var body = """{"model":"default","background":true,"input":"Hello"}""";

        using var response = await client.PostAsync(
            "/v1/responses",
            new StringContent(body, Encoding.UTF8, "application/json"),
            TestRun.Cancel
        );

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        foreach (var (what, limit) in ((string, string)[])[("requests", "9"), ("tokens", "900000")])
        {
            Assert.Equal([limit], response.Headers.GetValues($"x-ratelimit-limit-{what}"));
            Assert.Matches("^[0-9]+$", response.Headers.GetValues($"x-ratelimit-remaining-{what}").Single());
            Assert.Matches("^([0-9]+m)?[0-9.]+m?s$", response.Headers.GetValues($"x-ratelimit-reset-{what}").Single());
        }

        Assert.False(response.Headers.Contains("RateLimit") || response.Headers.Contains("RateLimit-Policy"));
    }

    [Theory]
    [InlineData(0, "0s")]
    [InlineData(11.2, "12ms")]
    [InlineData(1500, "1.5s")]
    [InlineData(60_000, "1m0s")]
    [InlineData(360_000, "6m0s")]
    [InlineData(3_723_000, "1h2m3s")]
    public void A_time_is_written_as_Go_does(double milliseconds, string expected) =>
        Assert.Equal(expected, OpenAiLimits.GoDuration(TimeSpan.FromMilliseconds(milliseconds)));

    [Fact]
    public async Task A_44_a_key_has_no_more_jobs_waiting_than_it_may_and_others_do_not_notice()
    {
        using var client = await KeyAsync("""{"max_queued":3}""");
        using var other = await KeyAsync("{}");

        // A job that comes in while others are counted may count twice until the next count, a second later: too few are let in then, never too many.
        var accepted = 0;
        await Eventually.TrueAsync(
            async _ =>
            {
                using var response = await ApiServer.PostAsync(client, Encoding.UTF8.GetBytes(ApiServer.Chat));
                return response.StatusCode == HttpStatusCode.Accepted && ++accepted == 3;
            },
            "three wait"
        );
        var answers = new List<HttpStatusCode>();
        for (var i = 0; i < 2; i++)
        {
            using var response = await ApiServer.PostAsync(client, Encoding.UTF8.GetBytes(ApiServer.Chat));
            answers.Add(response.StatusCode);
        }

        using var fine = await ApiServer.PostAsync(other, Encoding.UTF8.GetBytes(ApiServer.Chat));
        Assert.Equal([HttpStatusCode.TooManyRequests, HttpStatusCode.TooManyRequests], answers);
        Assert.Equal(HttpStatusCode.Accepted, fine.StatusCode);
        Assert.False(fine.Headers.Contains("RateLimit"));
    }

    private async Task<HttpClient> KeyAsync(string limits)
    {
        var (_, made) = await KeyApiTests.SendAsync(
            api.Http,
            HttpMethod.Post,
            "/api/v1/keys",
            $$"""{"name":"k","scopes":["jobs:write"],"limits":{{limits}}}"""
        );
        return api.Client(made.GetProperty("value").GetString());
    }

    private async Task<int> MinuteAsync()
    {
        await using var command = api.Db.Source.CreateCommand("SELECT floor(extract(epoch FROM clock_timestamp()) / 60)::int");
        return (int)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }
}
