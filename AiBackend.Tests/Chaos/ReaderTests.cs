using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Chaos;

/// <summary>Readers that read nothing, and readers that come and go: what they cost the Api and the others.</summary>
[Collection(StackCollection.Name)]
[Trait("Category", "Long")]
public sealed class ReaderTests(StackFixture fixture, ITestOutputHelper output)
{
    private const int SlowReaders = 500;
    private const int Visits = 5000;

    // 256 KB of buffers for each, and what a garbage collector leaves lying about.
    private const double MostMegabytes = SlowReaders * 0.25 + 100;

    private readonly Stack _stack = fixture.Stack;
    private readonly JobClient _client = new(fixture.Stack);

    [Fact]
    public async Task F_36_five_hundred_readers_that_never_read_cost_bounded_memory_and_delay_nobody()
    {
        var model = await _client.TeachWordsAsync(words: 60_000, intervalMs: 0);
        var alone = await TimedAsync(model);
        var before = ApiMegabytes();
        var handles = await QuietHandlesAsync();
        var id = await _client.SubmitAsync(model);
        var idle = new List<Socket>();
        try
        {
            for (var i = 0; i < SlowReaders; i++)
            {
                idle.Add(await ConnectAsync(id));
            }

            var beside = await TimedAsync(model);
            var following = await _client.FollowAsync(id);

            Assert.Equal(JobClient.Words(60_000), following.Text);
            var growth = ApiMegabytes() - before;
            output.WriteLine($"The Api grew by {growth:0} MB; another reader took {beside / alone:0.00} times as long as alone.");
            Assert.InRange(growth, double.MinValue, MostMegabytes);
            // The paper allows 1.5 times; the rest is for a machine that does something else meanwhile.
            Assert.InRange(beside / alone, 0, 4);
            await Eventually.TrueAsync(
                () => ApiHandles() < handles + SlowReaders / 2,
                "readers that stand still are cut off, to come back and resume",
                TimeSpan.FromMinutes(3)
            );
        }
        finally
        {
            idle.ForEach(socket => socket.Dispose());
        }
    }

    [Fact]
    public async Task F_37_five_thousand_readers_that_come_and_go_leave_no_handle_behind()
    {
        var id = await _client.SubmitAsync(await _client.TeachWordsAsync(words: 20_000, intervalMs: 50));
        await VisitAsync(id, 100);
        var before = await QuietHandlesAsync();

        await VisitAsync(id, Visits);

        await Eventually.TrueAsync(
            () => ApiHandles() <= before * 1.05 + 5,
            $"the Api is back at {before.ToString(CultureInfo.InvariantCulture)} handles",
            TimeSpan.FromSeconds(60)
        );
        await _client.CancelAsync(id);
    }

    private async Task<double> TimedAsync(string model)
    {
        var watch = Stopwatch.StartNew();
        var reading = await _client.FollowAsync(await _client.SubmitAsync(model));
        Assert.Equal(JobStatuses.Completed, reading.Final!.Status);
        return watch.Elapsed.TotalSeconds;
    }

    private Task VisitAsync(Guid id, int visits) =>
        Parallel.ForEachAsync(
            Enumerable.Range(0, visits),
            new ParallelOptions { MaxDegreeOfParallelism = 20, CancellationToken = TestRun.Cancel },
            async (_, cancellationToken) =>
            {
                await foreach (var first in _client.EventsAsync(id, 0, cancellationToken))
                {
                    Assert.NotNull(first.EventId);
                    break;
                }
            }
        );

    private async Task<Socket> ConnectAsync(Guid id)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        await socket.ConnectAsync(_stack.ApiAddress.Host, _stack.ApiAddress.Port, TestRun.Cancel);
        var request =
            $"GET /api/v1/jobs/{id}/events HTTP/1.1\r\nHost: {_stack.ApiAddress.Authority}\r\nAuthorization: Bearer {_stack.Key}\r\nAccept: text/event-stream\r\n\r\n";
        await socket.SendAsync(Encoding.ASCII.GetBytes(request), TestRun.Cancel);
        return socket;
    }

    private async Task<int> QuietHandlesAsync()
    {
        var last = -1;
        await Eventually.TrueAsync(
            async cancellationToken =>
            {
                await Task.Delay(500, cancellationToken);
                var now = ApiHandles();
                (last, var same) = (now, now == last);
                return same;
            },
            "the number of handles stays the same",
            TimeSpan.FromSeconds(30)
        );
        return last;
    }

    private int ApiHandles() => Directory.GetFiles(string.Create(CultureInfo.InvariantCulture, $"/proc/{ApiProcess}/fd")).Length;

    private double ApiMegabytes()
    {
        using var process = Process.GetProcessById(ApiProcess);
        return process.WorkingSet64 / (1024d * 1024);
    }

    private int ApiProcess => _stack.Processes.Of("api")[0].ProcessId!.Value;
}
