using System.Net;
using AiBackend.Tests.Fixtures;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Api;

/// <summary>An Api behind a proxy on this machine.</summary>
public sealed class ProxiedApi(PostgresServer postgres) : ApiServer(postgres)
{
    protected override IEnumerable<(string, string)> Settings => [("Proxies:0", "127.0.0.0/8"), ("Proxies:1", "10.0.0.0/8")];
}

/// <summary>Whose word about a caller's address counts: the limits on guessing are by address.</summary>
public sealed class ProxyTests(PostgresServer postgres, ProxiedApi proxied) : IClassFixture<ProxiedApi>
{
    // More than an address may guess in a minute.
    private const int Guesses = 400;

    [Fact]
    public async Task A_26_behind_a_known_proxy_each_caller_is_limited_by_its_own_address()
    {
        Assert.Equal(HttpStatusCode.TooManyRequests, await GuessAsync(proxied, _ => "198.51.100.7, 10.1.2.3"));
        Assert.Equal(HttpStatusCode.Unauthorized, await GuessOnceAsync(proxied, "198.51.100.8, 10.1.2.3"));
    }

    [Fact]
    public async Task A_26_without_one_nobody_escapes_a_limit_by_saying_where_he_comes_from()
    {
        var api = new ApiServer(postgres);
        await api.InitializeAsync();

        Assert.Equal(HttpStatusCode.TooManyRequests, await GuessAsync(api, n => $"198.51.100.{n % 250}"));
        await api.DisposeAsync();
    }

    [Fact]
    public void A_network_that_is_none_stops_the_start()
    {
        var failure = Assert.Throws<OptionsValidationException>(() =>
            ApiServer.Create([
                ("ConnectionStrings:aibackend", "Host=127.0.0.1;Port=1"),
                ("ConnectionStrings:redis", "127.0.0.1:1"),
                ("Proxies:0", "the proxy"),
            ])
        );

        Assert.Contains("Proxies has 'the proxy'", failure.Message, StringComparison.Ordinal);
    }

    /// <returns>The last answer.</returns>
    private static async Task<HttpStatusCode> GuessAsync(ApiServer api, Func<int, string> from)
    {
        var status = HttpStatusCode.Unauthorized;
        for (var n = 0; n < Guesses && status == HttpStatusCode.Unauthorized; n++)
        {
            status = await GuessOnceAsync(api, from(n));
        }

        return status;
    }

    private static async Task<HttpStatusCode> GuessOnceAsync(ApiServer api, string from)
    {
        using var http = api.Client(null);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/jobs");
        request.Headers.TryAddWithoutValidation("X-Forwarded-For", from);
        request.Headers.TryAddWithoutValidation("Authorization", "Bearer aib_test_nobody");
        using var response = await http.SendAsync(request, TestRun.Cancel);
        return response.StatusCode;
    }
}
