using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using AiBackend.Tests.Fixtures;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace AiBackend.Tests.Api;

/// <summary>Who sends a byte now and then holds a connection for seconds, whatever part of a request it is, and nobody else waits for him.</summary>
public sealed class SlowWriterTests(SlowWriterTests.ImpatientApi api) : IClassFixture<SlowWriterTests.ImpatientApi>
{
    private const int Writers = 5;
    private const string TooSlow = "HTTP/1.1 408";

    // Kestrel may hang up without a word where no request was begun.
    private const string NotBegun = "";

    private static readonly TimeSpan BetweenBytes = TimeSpan.FromMilliseconds(200);

    // Milliseconds, if nobody waits for anybody.
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(10);

    private const string Form = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n";

    /// <summary>What is wrong, what is sent at once, what is sent again and again, and how the answer begins.</summary>
    private static readonly (string What, string Begin, string More, string Answer)[] Requests =
    [
        ("headers without end", "POST /api/v1/jobs HTTP/1.1\r\nHost: a\r\n", "X-A: b\r\n", NotBegun),
        ("a header without end", "POST /api/v1/jobs HTTP/1.1\r\nHost: a\r\nX-A: ", "b", NotBegun),
        ("a request line without end", "GET /", "a", NotBegun),
        ("nothing behind a head that was begun", "POST /api/v1/jobs HTTP/1.1\r\n", "", NotBegun),
        ("a body of a job", Head("/api/v1/jobs", "Content-Length: 100000"), " ", TooSlow),
        ("a body of a completion", Head("/v1/chat/completions", "Content-Length: 100000"), " ", TooSlow),
        ("a body with a file", Head("/v1/responses", "Content-Length: 1100000"), " ", TooSlow),
        ("a body of embeddings", Head("/v1/embeddings", "Content-Length: 100000"), " ", TooSlow),
        ("a body of chunks", Head("/api/v1/jobs", "Transfer-Encoding: chunked"), "1\r\n \r\n", TooSlow),
        ("a length that is none", Head("/api/v1/jobs", $"Content-Length: {ApiServer.Chat.Length + 1}") + ApiServer.Chat, "", TooSlow),
        ("an upload", Head("/api/v1/files", "Content-Length: 100000", "multipart/form-data; boundary=x") + Form, "a", TooSlow),
        (
            "an upload of a batch",
            Head("/v1/files", "Transfer-Encoding: chunked", "multipart/form-data; boundary=x") + $"{Form.Length:x}\r\n{Form}\r\n",
            "1\r\n{\r\n",
            TooSlow
        ),
    ];

    [Fact]
    public async Task A_40_slow_writers_are_cut_whatever_they_write_and_others_are_served()
    {
        var (jobs, files) = await CountAsync();
        using var over = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        var served = ServeOthersAsync(over.Token);

        var cut = await Task.WhenAll(Requests.Select(each => CutAsync(each.What, each.Begin, each.More, each.Answer)));
        await over.CancelAsync();

        Assert.Empty(cut.SelectMany(wrong => wrong));
        var (others, slowest) = await served;
        Assert.True(others > 0 && slowest < Longest, $"{others} others were served meanwhile, the slowest in {slowest}");
        Assert.Equal((jobs + others, files), await CountAsync());
    }

    [Fact]
    public async Task A_40_what_comes_behind_a_length_that_is_too_short_is_no_part_of_the_body()
    {
        var (jobs, _) = await CountAsync();

        var answer = await TrickleAsync(
            Head("/api/v1/jobs", $"Content-Length: {ApiServer.Chat.Length - 1}") + ApiServer.Chat + "\r\n\r\n",
            ""
        );

        Assert.StartsWith("HTTP/1.1 400", answer, StringComparison.Ordinal);
        Assert.DoesNotContain("HTTP/1.1 2", answer, StringComparison.Ordinal);
        Assert.Equal(jobs, (await CountAsync()).Jobs);
    }

    [Fact]
    public async Task A_40_a_body_of_chunks_is_read_no_further_than_any_other()
    {
        var chunk = $"10000\r\n{new string(' ', 0x10000)}\r\n";

        var answer = await TrickleAsync(
            Head("/api/v1/jobs", "Transfer-Encoding: chunked") + string.Concat(Enumerable.Repeat(chunk, 17)),
            "1\r\n \r\n"
        );

        Assert.StartsWith("HTTP/1.1 413", answer, StringComparison.Ordinal);
    }

    private static string Head(string path, string length, string type = "application/json") =>
        $"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer KEY\r\nContent-Type: {type}\r\n{length}\r\n\r\n";

    /// <returns>What is wrong with the answers of some that write alike.</returns>
    private async Task<IEnumerable<string>> CutAsync(string what, string begin, string more, string answer)
    {
        var answers = await Task.WhenAll(Enumerable.Range(0, Writers).Select(_ => TrickleAsync(begin, more)));
        return answers
            .Where(each => !each.StartsWith(TooSlow, StringComparison.Ordinal) && (answer != NotBegun || each.Length > 0))
            .Select(each => $"{what}: {each}");
    }

    /// <returns>All that came until the server closed the connection.</returns>
    private async Task<string> TrickleAsync(string begin, string more)
    {
        using var client = new TcpClient { NoDelay = true };
        await client.ConnectAsync(api.Address.Host, api.Address.Port, TestRun.Cancel);
        await using var stream = client.GetStream();
        using var end = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        var writing = WriteAsync(stream, begin.Replace("KEY", api.Key, StringComparison.Ordinal), more, end.Token);
        try
        {
            return await RawAnswer.ReadToEndAsync(stream);
        }
        finally
        {
            await end.CancelAsync();
            await writing;
        }
    }

    private static async Task WriteAsync(NetworkStream stream, string begin, string more, CancellationToken end)
    {
        using var ticks = new PeriodicTimer(BetweenBytes);
        try
        {
            await stream.WriteAsync(Encoding.Latin1.GetBytes(begin), end);
            while (await ticks.WaitForNextTickAsync(end))
            {
                await stream.WriteAsync(Encoding.Latin1.GetBytes(more), end);
            }
        }
        catch (Exception cut) when (cut is IOException or OperationCanceledException)
        {
            // What this is about.
        }
    }

    /// <returns>How many jobs were taken of somebody else meanwhile, and how long the slowest answer took.</returns>
    private async Task<(long Served, TimeSpan Slowest)> ServeOthersAsync(CancellationToken over)
    {
        var (served, slowest) = (0L, TimeSpan.Zero);
        using var ticks = new PeriodicTimer(BetweenBytes);
        while (!over.IsCancellationRequested)
        {
            var began = Stopwatch.GetTimestamp();
            await api.SubmitAsync();
            (served, slowest) = (served + 1, TimeSpan.FromTicks(Math.Max(slowest.Ticks, Stopwatch.GetElapsedTime(began).Ticks)));
            await ticks.WaitForNextTickAsync(TestRun.Cancel);
        }

        return (served, slowest);
    }

    private async Task<(long Jobs, long Files)> CountAsync()
    {
        await using var command = api.Db.Source.CreateCommand("SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM files)");
        await using var row = await command.ExecuteReaderAsync(TestRun.Cancel);
        await row.ReadAsync(TestRun.Cancel);
        return (row.GetInt64(0), row.GetInt64(1));
    }

    /// <summary>The real limits, with less patience. That there are any is asserted of the real ones (SecureDefaultTests).</summary>
    public sealed class ImpatientApi(PostgresServer postgres) : ApiServer(postgres)
    {
        protected override void Add(IHostApplicationBuilder builder) =>
            builder.Services.Configure<KestrelServerOptions>(kestrel =>
            {
                kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(3);
                var rate = kestrel.Limits.MinRequestBodyDataRate!;
                kestrel.Limits.MinRequestBodyDataRate = new(rate.BytesPerSecond, TimeSpan.FromSeconds(3));
            });
    }
}
