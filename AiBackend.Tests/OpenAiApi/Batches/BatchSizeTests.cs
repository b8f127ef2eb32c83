using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.OpenAiApi.Batches;

/// <summary>Files of batches that are larger than anybody has memory for, on the whole running stack.</summary>
[Collection(StackCollection.Name)]
[Trait("Category", "Long")]
public sealed class BatchSizeTests(StackFixture fixture, ITestOutputHelper output)
{
    // 50 MB is what the paper allows; the rest is what a garbage collector leaves lying about.
    private const double MostMegabytes = 50 + 50;

    private readonly Stack _stack = fixture.Stack;

    [Fact]
    public async Task A_43_neither_a_million_lines_nor_one_line_of_fifty_megabytes_takes_more_memory_than_a_piece()
    {
        // What the first of them costs is code.
        await FailureAsync(Lines(1, "x"));
        var before = PeakMegabytes();

        var million = await UploadAsync(Lines(1_000_000));
        var line = await UploadAsync([.. Enumerable.Repeat(Text(new string('x', 1 << 20)), 50).Prepend(Text("{\"custom_id\":\""))]);
        var (code, number) = await FailureAsync(Lines(300_000));
        var (longCode, longNumber) = await FailureAsync(
            Lines(3).Append(Text("{\"custom_id\":\"")).Concat(Enumerable.Repeat(Text(new string('x', 1 << 20)), 28))
        );

        var growth = PeakMegabytes() - before;
        output.WriteLine($"The Api grew by {growth:0} MB.");
        Assert.Equal((HttpStatusCode.RequestEntityTooLarge, HttpStatusCode.RequestEntityTooLarge), (million.Status, line.Status));
        Assert.Equal(("too_many_lines", 50_001), (code, number));
        Assert.Equal(("line_too_long", 4), (longCode, longNumber));
        Assert.InRange(growth, double.MinValue, MostMegabytes);
    }

    private static IEnumerable<byte[]> Lines(int count, string url = "/v1/responses") =>
        Enumerable
            .Range(0, count)
            .Select(line => $$$"""{"custom_id":"{{{line}}}","method":"POST","url":"{{{url}}}","body":{}}""" + "\n")
            .Chunk(500)
            .Select(lines => Text(string.Concat(lines)));

    /// <returns>The first fault of a batch of these lines.</returns>
    private async Task<(string? Code, int Line)> FailureAsync(IEnumerable<byte[]> pieces)
    {
        var (_, file) = await UploadAsync(pieces);
        using var made = await _stack.Api.CallAsync(
            "/v1/batches",
            Text($$"""{"input_file_id":"{{file.GetProperty("id").GetString()}}","endpoint":"/v1/responses","completion_window":"24h"}"""),
            TestRun.Cancel
        );
        var id = (await OpenAiClientOf.ReadAsync(made)).GetProperty("id").GetString();
        var batch = await Eventually.GetAsync(
            async token => JsonElement.Parse(await _stack.Api.GetStringAsync($"/v1/batches/{id}", token)),
            seen => seen.GetProperty("status").GetString() == "failed",
            "the batch has failed",
            TimeSpan.FromMinutes(3)
        );
        var fault = batch.GetProperty("errors").GetProperty("data")[0];
        return (fault.GetProperty("code").GetString(), fault.GetProperty("line").GetInt32());
    }

    private async Task<(HttpStatusCode Status, JsonElement File)> UploadAsync(IEnumerable<byte[]> pieces)
    {
        using var form = new MultipartFormDataContent
        {
            { new StringContent("batch"), "purpose" },
            { new Pieces(pieces), "file", "a.jsonl" },
        };
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/files") { Content = form };
        try
        {
            using var response = await _stack.Api.SendAsync(request, TestRun.Cancel);
            return (response.StatusCode, JsonElement.Parse(await response.Content.ReadAsStringAsync(TestRun.Cancel)));
        }
        catch (HttpRequestException cut) when (cut.InnerException is IOException)
        {
            // The answer came while the rest was sent, and with it the end of the connection.
            return (HttpStatusCode.RequestEntityTooLarge, default);
        }
    }

    private double PeakMegabytes()
    {
        using var process = Process.GetProcessById(_stack.Processes.Of("api")[0].ProcessId!.Value);
        return process.PeakWorkingSet64 / (1024d * 1024);
    }

    private static byte[] Text(string text) => Encoding.UTF8.GetBytes(text);

    /// <summary>Made while it is sent: of a length that nobody is told.</summary>
    private sealed class Pieces(IEnumerable<byte[]> pieces) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            foreach (var piece in pieces)
            {
                await stream.WriteAsync(piece, TestRun.Cancel);
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
