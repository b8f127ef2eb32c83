using System.Net;
using AiBackend.Tests.Fixtures;
using Microsoft.AspNetCore.Authorization;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace AiBackend.Tests.ServiceDefaults;

/// <summary>What a prober learns, and what it does not.</summary>
public sealed class HealthEndpointTests
{
    [Theory]
    [InlineData(HealthStatus.Healthy, HttpStatusCode.OK, """{"status":"healthy","checks":{"postgres":"healthy","redis":"healthy"}}""")]
    [InlineData(HealthStatus.Degraded, HttpStatusCode.OK, """{"status":"degraded","checks":{"postgres":"healthy","redis":"degraded"}}""")]
    [InlineData(
        HealthStatus.Unhealthy,
        HttpStatusCode.ServiceUnavailable,
        """{"status":"unhealthy","checks":{"postgres":"healthy","redis":"unhealthy"}}"""
    )]
    public async Task Ready_names_each_check_and_its_state_and_nothing_else(HealthStatus redis, HttpStatusCode code, string body)
    {
        await using var process = await ServiceUnderTest.StartAsync(configure: builder =>
            builder
                .Services.AddHealthChecks()
                .AddCheck("postgres", () => HealthCheckResult.Healthy("Host=db;Password=secret"))
                .AddCheck("redis", () => new HealthCheckResult(redis, "10.0.0.7:6379 refused", new IOException("secret")))
        );

        using var answer = await process.Client.GetAsync("/health/ready", TestRun.Cancel);

        Assert.Equal(code, answer.StatusCode);
        Assert.Equal(body, await answer.Content.ReadAsStringAsync(TestRun.Cancel));
        Assert.Equal("application/json", answer.Content.Headers.ContentType!.MediaType);
        Assert.True(answer.Headers.CacheControl!.NoStore);
    }

    [Fact]
    public async Task The_answer_is_what_the_contracts_promise()
    {
        await using var process = await ServiceUnderTest.StartAsync();

        var body = await process.Client.GetStringAsync("/health/ready", TestRun.Cancel);

        var report = System.Text.Json.JsonSerializer.Deserialize(body, ApiContracts.WireJson.Default.HealthReport);
        Assert.Equal("healthy", report!.Status);
        Assert.Empty(report.Checks);
    }

    [Fact]
    public async Task A_process_whose_dependencies_are_away_is_alive()
    {
        await using var process = await ServiceUnderTest.StartAsync(configure: builder =>
            builder.Services.AddHealthChecks().AddCheck("postgres", () => throw new InvalidOperationException("away"))
        );

        using var live = await process.Client.GetAsync("/health/live", TestRun.Cancel);
        using var ready = await process.Client.GetAsync("/health/ready", TestRun.Cancel);

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.ServiceUnavailable), (live.StatusCode, ready.StatusCode));
    }

    [Fact]
    public async Task A_dependency_that_hangs_is_named_instead_of_hanging_the_prober()
    {
        await using var process = await ServiceUnderTest.StartAsync(configure: builder =>
            builder.Services.AddHealthChecks().AddCheck("fast", () => HealthCheckResult.Healthy()).AddAsyncCheck("hanging", Hang)
        );
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        patience.CancelAfter(TimeSpan.FromMinutes(1));

        using var answer = await process.Client.GetAsync("/health/ready", patience.Token);

        Assert.Equal(
            """{"status":"unhealthy","checks":{"fast":"healthy","hanging":"unhealthy"}}""",
            await answer.Content.ReadAsStringAsync(TestRun.Cancel)
        );
    }

    [Fact]
    public async Task A_flood_of_probes_runs_the_checks_once()
    {
        var runs = 0;
        var release = new TaskCompletionSource<HealthCheckResult>();
        await using var process = await ServiceUnderTest.StartAsync(configure: builder =>
            builder
                // What was found is not too old before all have asked, however slowly they come.
                .Services.AddSingleton<TimeProvider>(new FakeTime())
                .AddHealthChecks()
                .AddAsyncCheck(
                    "counted",
                    () =>
                    {
                        Interlocked.Increment(ref runs);
                        return release.Task;
                    }
                )
        );

        var probes = Enumerable.Range(0, 50).Select(_ => process.Client.GetAsync("/health/ready", TestRun.Cancel)).ToArray();
        await Eventually.TrueAsync(() => Volatile.Read(ref runs) > 0, "the check runs");
        release.SetResult(HealthCheckResult.Healthy());
        var answers = await Task.WhenAll(probes);

        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.OK, answer.StatusCode));
        Assert.Equal(1, runs);
    }

    [Fact]
    public async Task No_sign_in_or_limit_in_front_of_the_application_stops_a_prober()
    {
        await using var process = await ServiceUnderTest.StartAsync(
            configure: builder =>
                builder
                    .Services.AddAuthorizationBuilder()
                    .SetFallbackPolicy(new AuthorizationPolicyBuilder().RequireAssertion(_ => false).Build()),
            map: app => app.UseRouting().UseAuthorization()
        );

        using var live = await process.Client.GetAsync("/health/live", TestRun.Cancel);
        using var ready = await process.Client.SendAsync(new HttpRequestMessage(HttpMethod.Head, "/health/ready"), TestRun.Cancel);

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (live.StatusCode, ready.StatusCode));
    }

    private static async Task<HealthCheckResult> Hang(CancellationToken cancellationToken)
    {
        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
        return HealthCheckResult.Healthy();
    }
}
