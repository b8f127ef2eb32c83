using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Api;

/// <summary>Bytes that no client of HTTP would send: each ends its own connection, and nobody else notices.</summary>
public sealed partial class RawRequestTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const string Host = "Host: 127.0.0.1\r\nConnection: close\r\n";

    /// <summary>The request, and the statuses that it may have; 0 is a connection that is closed without a word.</summary>
    public static TheoryData<string, string, int[]> Requests =>
        new()
        {
            { "another protocol", "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\r\n\r\n", [0, 400] },
            { "HTTP/1.0 without a host", "GET /api/v1/jobs HTTP/1.0\r\n\r\n", [400, 401] },
            { "HTTP/3.0", $"GET /health/live HTTP/3.0\r\n{Host}\r\n", [400, 505] },
            { "CONNECT", $"CONNECT example.com:443 HTTP/1.1\r\n{Host}\r\n", [400, 401, 404, 405] },
            { "TRACE", $"TRACE /health/live HTTP/1.1\r\n{Host}\r\n", [401, 405] },
            { "TRACE with a key", $"TRACE /api/v1/jobs HTTP/1.1\r\n{Host}Authorization: Bearer KEY\r\n\r\n", [405] },
            { "a verb that nobody knows", $"BREW /api/v1/jobs HTTP/1.1\r\n{Host}Authorization: Bearer KEY\r\n\r\n", [405] },
            {
                "a verb that nobody knows under v1",
                $"BREW /v1/chat/completions HTTP/1.1\r\n{Host}Authorization: Bearer KEY\r\n\r\n",
                [405]
            },
            { "a verb that is none", $"G\u00e4T /health/live HTTP/1.1\r\n{Host}\r\n", [400] },
            { "a verb without end", new string('A', 40_000), [400, 414] },
            { "a request line without end", $"GET /{new string('a', 40_000)}", [414] },
            { "headers beyond all bounds", $"GET /health/live HTTP/1.1\r\n{Host}X: {new string('a', 64 * 1024)}\r\n\r\n", [431] },
            {
                "more headers than anybody has",
                $"GET /health/live HTTP/1.1\r\n{Host}{string.Concat(Enumerable.Repeat("X: y\r\n", 200))}\r\n",
                [431]
            },
            { "an upgrade to HTTP/2 from the start", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [0, 400, 505] },
            { "lines that end with a line feed alone, two hosts", "GET /health/live HTTP/1.1\nHost: a\nHost: b\n\n", [400] },
            {
                "a chunk that ends with a line feed alone",
                $"POST /api/v1/jobs HTTP/1.1\r\n{Host}Authorization: Bearer KEY\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\n{{}}\r\n0\r\n\r\n",
                [400]
            },
            {
                "a chunk longer than its size",
                $"POST /api/v1/jobs HTTP/1.1\r\n{Host}Authorization: Bearer KEY\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{{}}\r\n0\r\n\r\n",
                [400]
            },
            { "no host", "GET /health/live HTTP/1.1\r\n\r\n", [400] },
            { "two hosts", $"GET /health/live HTTP/1.1\r\n{Host}Host: evil.example\r\n\r\n", [400] },
            { "a folded header", $"GET /health/live HTTP/1.1\r\n{Host}X-A: b\r\n c\r\n\r\n", [400] },
            { "a space before the colon", $"GET /health/live HTTP/1.1\r\n{Host}X-A : b\r\n\r\n", [400] },
            { "U+0000 in a header", $"GET /health/live HTTP/1.1\r\n{Host}X-A: b\0c\r\n\r\n", [400] },
            { "a lone carriage return", $"GET /health/live HTTP/1.1\r\n{Host}X-A: b\rX-B: c\r\n\r\n", [400] },
            { "two lengths", $"POST /api/v1/jobs HTTP/1.1\r\n{Host}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}", [400] },
            { "a negative length", $"POST /api/v1/jobs HTTP/1.1\r\n{Host}Content-Length: -1\r\n\r\n", [400] },
            {
                "a coding that nobody knows",
                $"POST /api/v1/jobs HTTP/1.1\r\n{Host}Transfer-Encoding: chunked, x\r\n\r\n0\r\n\r\n",
                [400, 401, 501]
            },
            { "a chunk without a size", $"POST /api/v1/jobs HTTP/1.1\r\n{Host}Transfer-Encoding: chunked\r\n\r\nzz\r\n", [400, 401] },
            { "a target that is no path", $"GET evil HTTP/1.1\r\n{Host}\r\n", [400, 405] },
        };

    [Theory]
    [MemberData(nameof(Requests))]
    public async Task A_77_what_breaks_the_rules_of_http_is_refused_and_its_connection_closed(string what, string request, int[] statuses)
    {
        var answer = await SendAsync(request);

        var status = Status().Match(answer) is { Success: true } found
            ? int.Parse(found.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture)
            : 0;
        Assert.True(statuses.Contains(status), $"{what}: {answer}");
        Assert.Equal(HttpStatusCode.OK, (await api.Http.GetAsync("/health/live", TestRun.Cancel)).StatusCode);
    }

    [Theory]
    [InlineData("Content-Length: 4\r\nTransfer-Encoding: chunked")]
    [InlineData("Transfer-Encoding: chunked\r\nContent-Length: 4")]
    [InlineData("Content-Length: 4\r\nTransfer-Encoding:\tchunked")]
    [InlineData("Content-Length: 4\r\nTransfer-Encoding: identity, chunked")]
    [InlineData("Content-Length: 4\r\nTransfer-Encoding:\r\n chunked")]
    [InlineData("Content-Length: 4\r\nTransfer-Encoding : chunked")]
    [InlineData("Content-Length: 4\nTransfer-Encoding: chunked")]
    [InlineData("Content-Length: +4\r\nTransfer-Encoding: chunked")]
    public async Task A_77_a_request_inside_the_body_of_another_is_never_one_of_its_own(string lengths)
    {
        // By the length the body is "0…", by the coding it is empty: whoever takes the one for the other reads a second request.
        var answer = await SendAsync(
            $"POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n{lengths}\r\n\r\n0\r\n\r\nGET /health/live HTTP/1.1\r\n{Host}\r\n"
        );

        Assert.DoesNotContain(" 200 ", answer, StringComparison.Ordinal);
        Assert.Single(Status().Matches(answer));
    }

    [Fact]
    public async Task A_40_a_body_that_ends_before_its_length_makes_no_job()
    {
        var before = await CountAsync();
        var body = ApiServer.Chat[..^5];

        var answer = await SendAsync(
            $"POST /api/v1/jobs HTTP/1.1\r\n{Host}Authorization: Bearer {api.Key}\r\nContent-Type: application/json\r\nContent-Length: {ApiServer.Chat.Length}\r\n\r\n{body}",
            isOver: true
        );

        Assert.DoesNotContain(" 20", answer, StringComparison.Ordinal);
        Assert.Equal(before, await CountAsync());
        await api.SubmitAsync();
    }

    [Theory]
    [InlineData("GET /api/v1/jobs HTTP/1.0\r\nHost: 127.0.0.1\r\nAuthorization: Bearer KEY\r\n\r\n")]
    [InlineData("GET /v1/models HTTP/1.0\r\nHost: 127.0.0.1\r\nAuthorization: Bearer KEY\r\n\r\n")]
    [InlineData("GET /health/live HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")]
    public async Task A_77_whoever_speaks_HTTP_1_0_is_answered_once_whole_and_left(string request)
    {
        var answer = await SendAsync(request + request);

        // What came behind it is not answered: the protocol has one request for a connection.
        Assert.StartsWith("HTTP/1.1 200", answer, StringComparison.Ordinal);
        Assert.Single(Status().Matches(answer));
        Assert.DoesNotContain("chunked", answer, StringComparison.OrdinalIgnoreCase);
    }

    private async Task<long> CountAsync() => await (await api.WorkerAsync()).ScalarAsync<long>("SELECT count(*) FROM jobs");

    /// <returns>All that came until the server closed the connection.</returns>
    private async Task<string> SendAsync(string request, bool isOver = false)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(api.Address.Host, api.Address.Port, TestRun.Cancel);
        await using var stream = client.GetStream();
        try
        {
            await stream.WriteAsync(Encoding.Latin1.GetBytes(request.Replace("KEY", api.Key, StringComparison.Ordinal)), TestRun.Cancel);
            if (isOver)
            {
                client.Client.Shutdown(SocketShutdown.Send);
            }
        }
        catch (IOException)
        {
            // Refused before its end.
        }

        return await RawAnswer.ReadToEndAsync(stream);
    }

    [GeneratedRegex(@"HTTP/1\.1 (\d{3}) ")]
    private static partial Regex Status();
}
