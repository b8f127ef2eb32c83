using System.Diagnostics;
using System.Net;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Chaos;

/// <summary>Payloads made to fill the memory: each is refused or cut before it does (F-35).</summary>
[Collection(StackCollection.Name)]
[Trait("Category", "Long")]
public sealed class PayloadTests(StackFixture fixture)
{
    private const double MostMegabytes = 100;
    private const int MaxAnswer = 4 * 1024 * 1024;

    private readonly Stack _stack = fixture.Stack;
    private readonly JobClient _client = new(fixture.Stack);

    [Fact]
    public async Task F_35_an_answer_of_100_megabytes_is_cut_and_the_worker_keeps_its_memory()
    {
        var model = await _client.TeachWordsAsync(words: 1, intervalMs: 0);
        using (
            var taught = await _stack.Simulator.PutAsJsonAsync(
                $"/sim/behaviours/{model}",
                new { output_tokens = 20_000_000, interval_ms = 0 },
                TestRun.Cancel
            )
        )
        {
            taught.EnsureSuccessStatusCode();
        }

        var before = Megabytes("worker");
        var job = await _client.EndAsync(await _client.SubmitAsync(model), TimeSpan.FromMinutes(5));

        Assert.Equal(JobStatuses.PartiallyCompleted, job.Status);
        Assert.InRange(job.Output!.Text.Length, 1, MaxAnswer + 1024);
        Assert.InRange(Megabytes("worker") - before, double.MinValue, MostMegabytes);
    }

    [Theory]
    [InlineData(30)]
    [InlineData(1024)]
    public async Task F_35_an_upload_without_end_is_refused_before_it_is_kept(int megabytes)
    {
        var before = Megabytes("api");
        var sent = 0L;
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs")
        {
            Content = new EndlessContent(megabytes * 1024L * 1024, count => Interlocked.Add(ref sent, count)),
        };
        request.Headers.TransferEncodingChunked = true;
        request.Content.Headers.ContentType = new("application/json");

        try
        {
            using var response = await _stack.Api.SendAsync(request, TestRun.Cancel);
            Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
        }
        catch (HttpRequestException)
        {
            // The connection was closed while there was still something to send.
        }

        Assert.InRange(Interlocked.Read(ref sent), 1, 64 * 1024 * 1024);
        Assert.InRange(Megabytes("api") - before, double.MinValue, MostMegabytes);
        await _client.EndAsync(await _client.SubmitAsync(await _client.TeachWordsAsync(3, 1)));
    }

    private double Megabytes(string program) =>
        _stack
            .Processes.Of(program)
            .Sum(replica =>
            {
                using var process = Process.GetProcessById(replica.ProcessId!.Value);
                return process.WorkingSet64 / (1024d * 1024);
            });

    /// <summary>JSON that begins well and goes on.</summary>
    private sealed class EndlessContent(long length, Action<int> written) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync("""{"type":"chat","input":{"messages":[{"role":"user","content":" """u8.ToArray(), TestRun.Cancel);
            var piece = new byte[64 * 1024];
            piece.AsSpan().Fill((byte)'x');
            for (var left = length; left > 0; left -= piece.Length)
            {
                await stream.WriteAsync(piece, TestRun.Cancel);
                written(piece.Length);
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
