using System.Net;
using System.Net.Sockets;
using System.Text;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Chaos;

/// <summary>However often, wherever and over whatever line the same submit comes: one job, and one id in every answer.</summary>
public sealed class DuplicateSubmitTests(PostgresServer postgres) : IAsyncLifetime
{
    private const int Parallel = 50;

    private ApiServer _first = null!;
    private WebApplication _second = null!;
    private Uri _secondAddress = null!;
    private RedisServer _redis = null!;

    public async ValueTask InitializeAsync()
    {
        _redis = await RedisServer.StartNewAsync();
        _first = new ApiServer(postgres, _redis);
        await _first.InitializeAsync();
        _second = ApiServer.Create([
            ("ConnectionStrings:aibackend", _first.Db.ConnectionString),
            ("ConnectionStrings:redis", _redis.ConnectionString),
        ]);
        await _second.StartAsync(TestRun.Cancel);
        _secondAddress = new Uri(_second.Urls.Single());
    }

    [Fact]
    public async Task I_3_and_f_30_fifty_parallel_submits_to_two_nodes_make_one_job()
    {
        var answers = await Task.WhenAll(
            Enumerable.Range(0, Parallel).Select(i => SendAsync(i % 2 == 0 ? _first.Address : _secondAddress, ApiServer.Chat, "nodes"))
        );

        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.Accepted, answer.Status));
        Assert.Single(answers.Select(answer => answer.Body).Distinct(StringComparer.Ordinal));
        Assert.Equal(1, await JobsAsync());
    }

    [Fact]
    public async Task I_3_and_f_30_of_fifty_parallel_submits_with_two_bodies_one_body_wins_everywhere()
    {
        var other = ApiServer.Chat.Replace("Hello", "Other", StringComparison.Ordinal);

        var answers = await Task.WhenAll(
            Enumerable
                .Range(0, Parallel)
                .Select(i => SendAsync(i % 4 < 2 ? _first.Address : _secondAddress, i % 2 == 0 ? ApiServer.Chat : other, "bodies"))
        );

        // Every submit of the body that came first is accepted, every one of the other is refused, on both nodes.
        var accepted = answers.Index().Where(answer => answer.Item.Status == HttpStatusCode.Accepted).ToList();
        Assert.Single(accepted.Select(answer => answer.Item.Body).Distinct(StringComparer.Ordinal));
        Assert.Single(accepted.Select(answer => answer.Index % 2).Distinct());
        Assert.Equal(Parallel / 2, accepted.Count);
        Assert.Equal(Parallel / 2, answers.Count(answer => answer.Status == HttpStatusCode.UnprocessableEntity));
        Assert.Equal(1, await JobsAsync());
    }

    [Theory]
    [InlineData(Way.Replies, 0)]
    [InlineData(Way.Replies, 40)]
    [InlineData(Way.Requests, 0)]
    [InlineData(Way.Requests, 200)]
    public async Task F_31_submits_whose_line_was_cut_converge_when_they_are_repeated(Way way, int after)
    {
        await using var proxy = FaultProxy.Before(_first.Address.Port);
        proxy.Fault = new Fault { ResetAfter = after, ResetOn = way };
        var cut = new UriBuilder(_first.Address) { Port = proxy.Port }.Uri;

        await Task.WhenAll(
            Enumerable
                .Range(0, Parallel)
                .Select(i => Assert.ThrowsAnyAsync<HttpRequestException>(() => SendAsync(cut, ApiServer.Chat, $"cut-{i % 10}")))
        );
        Assert.True(proxy.Reached >= Parallel);
        proxy.Fault = Fault.None;
        var answers = await Task.WhenAll(
            Enumerable.Range(0, Parallel).Select(i => SendAsync(i < 25 ? cut : _secondAddress, ApiServer.Chat, $"cut-{i % 10}"))
        );

        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.Accepted, answer.Status));
        foreach (var same in answers.Index().GroupBy(answer => answer.Index % 10))
        {
            Assert.Single(same.Select(answer => answer.Item.Body).Distinct(StringComparer.Ordinal));
        }

        Assert.Equal(10, await JobsAsync());
    }

    [Fact]
    public async Task F_31_a_client_that_leaves_after_its_body_has_submitted_and_finds_its_job()
    {
        var request = Encoding.ASCII.GetBytes(
            $"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {_first.Key}\r\nIdempotency-Key: left\r\n"
                + $"Content-Type: application/json\r\nContent-Length: {ApiServer.Chat.Length}\r\n\r\n{ApiServer.Chat}"
        );
        for (var i = 0; i < 20; i++)
        {
            using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await client.ConnectAsync(IPAddress.Loopback, _first.Address.Port, TestRun.Cancel);
            await client.SendAsync(request, TestRun.Cancel);
            client.LingerState = new LingerOption(i % 2 == 0, 0);
        }

        var found = await SendAsync(_secondAddress, ApiServer.Chat, "left");

        Assert.Equal(HttpStatusCode.Accepted, found.Status);
        Assert.Equal(1, await JobsAsync());
    }

    public async ValueTask DisposeAsync()
    {
        await _second.StopAsync(CancellationToken.None);
        await _second.DisposeAsync();
        await _first.DisposeAsync();
    }

    /// <summary>Over a connection of its own: each request is a client of its own.</summary>
    private async Task<(HttpStatusCode Status, string Body)> SendAsync(Uri node, string body, string key)
    {
        using var handler = new SocketsHttpHandler();
        using var http = new HttpClient(handler) { BaseAddress = node };
        http.DefaultRequestHeaders.Authorization = new("Bearer", _first.Key);
        using var response = await ApiServer.PostAsync(http, Encoding.UTF8.GetBytes(body), ("Idempotency-Key", key));
        return (response.StatusCode, await response.Content.ReadAsStringAsync(TestRun.Cancel));
    }

    private async Task<long> JobsAsync()
    {
        await using var command = _first.Db.Source.CreateCommand("SELECT count(*) FROM jobs");
        return (long)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }
}
