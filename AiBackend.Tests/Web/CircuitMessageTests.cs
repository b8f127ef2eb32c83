using System.Net;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Web;

/// <summary>Messages of circuits that no page of ours sends: heard elsewhere and sent again, made up, or too many.</summary>
public sealed class CircuitMessageTests(SiteAlone alone) : IClassFixture<SiteAlone>
{
    private const string Page = "/ask";
    private const string Click = """[{"eventHandlerId":987654,"eventName":"click","eventFieldInfo":null},{"detail":1,"type":"click"}]""";

    private readonly SiteProcess _site = alone.Site;

    [Fact]
    public async Task A_22_what_was_heard_of_a_circuit_and_is_sent_again_ends_that_connection_or_makes_another_circuit()
    {
        using var heard = await RawCircuit.OfPageAsync(_site, Page);
        await heard.SendAsync(null, "OnRenderCompleted", 2L, null);
        await heard.SendAsync(null, "OnLocationChanged", new Uri(_site.Address, "/runs").ToString(), null, true);
        await heard.HearAsync("JS.RenderBatch");

        using var parted = (await RawCircuit.TryOpenAsync(_site.Address))!;
        foreach (var message in heard.Sent.Skip(1).ToList())
        {
            await parted.SendAsync(message);
        }

        using var whole = (await RawCircuit.TryOpenAsync(_site.Address))!;
        await whole.StartAsync();
        foreach (var message in heard.Sent.Skip(1).ToList())
        {
            await whole.SendAsync(message);
        }

        // Without its beginning there is no circuit that it could be about, and with it there is another.
        Assert.True(await parted.EndsAsync(), "The connection was left open.");
        Assert.NotEmpty(whole.Id);
        Assert.NotEqual(heard.Id, whole.Id);
        await AssertLivesAsync(heard);
    }

    [Theory]
    [InlineData("AiBackend.Web", "Nope", 0L, "[]")]
    [InlineData("System.Diagnostics.Process", "Start", 0L, """["sh"]""")]
    [InlineData("System.Private.CoreLib", "Exit", 0L, "[1]")]
    [InlineData(null, "DeleteEverything", 1L, "[]")]
    [InlineData(null, "DispatchEventAsync", 1L, Click)]
    [InlineData(null, "DispatchEventAsync", 987654L, Click)]
    [InlineData(null, "DispatchEventAsync", 1L, "not JSON")]
    [InlineData(null, "AddRootComponent", 1L, """["evil","#app"]""")]
    public async Task A_22_a_call_of_what_is_not_there_is_an_error_and_ends_its_own_circuit_at_most(
        string? assembly,
        string method,
        long target,
        string arguments
    )
    {
        using var circuit = await RawCircuit.OfPageAsync(_site, Page);
        using var other = await RawCircuit.OfPageAsync(_site, Page);

        await circuit.SendAsync(null, "BeginInvokeDotNetFromJS", "1", assembly, method, target, arguments);
        var told = await circuit.HearAsync("JS.Error", "JS.EndInvokeDotNet");

        Assert.True(
            told.Length == 0
                || told.Contains("JS.Error", StringComparison.Ordinal)
                || told.Contains("xception", StringComparison.Ordinal)
                || told.Contains("does not", StringComparison.Ordinal)
                || told.Contains("no tracked object", StringComparison.Ordinal),
            $"{method} was answered: {told}"
        );
        await AssertLivesAsync(other);
    }

    [Theory]
    [InlineData("another beginning", true)]
    [InlineData("an answer that nobody asked for", false)]
    [InlineData("a piece of a stream that there is not", false)]
    public async Task A_22_what_a_live_page_never_sends_ends_its_circuit_or_is_passed_over_and_ends_no_other(string what, bool ends)
    {
        using var circuit = await RawCircuit.OfPageAsync(_site, Page);
        using var other = await RawCircuit.OfPageAsync(_site, Page);

        await (
            what switch
            {
                "an answer that nobody asked for" => circuit.SendAsync(null, "EndInvokeJSFromDotNet", 987654L, true, "[987654,true,null]"),
                "a piece of a stream that there is not" => circuit.SendAsync("9", "ReceiveJSDataChunk", 987654L, 0L, null, null),
                _ => circuit.SendAsync(circuit.Sent[0]),
            }
        );
        if (!ends)
        {
            // What answers no question is passed over, and the circuit is as it was, until it is told nonsense.
            await circuit.SendAsync([0x01, 0xC1]);
        }

        Assert.True(await circuit.EndsAsync(), "The connection was left open.");
        await AssertLivesAsync(other);
    }

    [Fact]
    public async Task A_22_a_message_of_10_MB_ends_its_circuit_and_one_that_a_page_may_send_is_answered()
    {
        using var circuit = await RawCircuit.OfPageAsync(_site, Page);
        using var other = await RawCircuit.OfPageAsync(_site, Page);

        await CallAsync(circuit, 1024 * 1024);
        var answered = await circuit.HearAsync("JS.EndInvokeDotNet", "JS.Error");
        await CallAsync(circuit, 10 * 1024 * 1024);

        Assert.Contains("JS.EndInvokeDotNet", answered, StringComparison.Ordinal);
        Assert.True(await circuit.EndsAsync(), "The connection was left open.");
        await AssertLivesAsync(other);

        // What is called does not exist, and size is all that tells the two.
        static Task CallAsync(RawCircuit circuit, int characters) =>
            circuit.SendAsync(null, "BeginInvokeDotNetFromJS", "3", "AiBackend.Web", "Nobody", 0L, new string(' ', characters));
    }

    [Fact]
    public Task A_22_a_hundred_live_pages_of_a_reader_are_live_and_the_site_is_well() => CrowdAsync(100, 100);

    [Fact]
    [Trait("Category", "Long")]
    public Task A_22_of_a_thousand_circuits_of_a_reader_two_hundred_are_live_and_the_site_is_well() => CrowdAsync(1000, 200);

    private async Task CrowdAsync(int tried, int most)
    {
        var circuits = new List<RawCircuit>();
        try
        {
            for (var i = 0; i < tried; i += 50)
            {
                var some = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => RawCircuit.TryOpenAsync(_site.Address)));
                circuits.AddRange(some.OfType<RawCircuit>());
                await Task.WhenAll(some.OfType<RawCircuit>().Select(circuit => circuit.StartAsync()));
                using var page = await _site.Http.GetAsync(Page, TestRun.Cancel);
                Assert.Equal(HttpStatusCode.OK, page.StatusCode);
            }

            // Those of other tests, which were closed, may still be leaving.
            Assert.InRange(circuits.Count, most - 20, most);
            Assert.All(circuits, circuit => Assert.NotEmpty(circuit.Id));
            Assert.Equal(circuits.Count, circuits.Select(circuit => circuit.Id).Distinct(StringComparer.Ordinal).Count());
            await AssertLivesAsync(circuits[0]);
            await AssertLivesAsync(circuits[^1]);
        }
        finally
        {
            circuits.ForEach(circuit => circuit.Dispose());
        }

        await Eventually.TrueAsync(
            async _ =>
            {
                using var again = await RawCircuit.TryOpenAsync(_site.Address);
                return again is not null;
            },
            "there is room again"
        );
    }

    /// <summary>It answers what only a live circuit does, and the site shows its page.</summary>
    private async Task AssertLivesAsync(RawCircuit circuit)
    {
        await circuit.SendAsync(null, "BeginInvokeDotNetFromJS", "2", "AiBackend.Web", "Nobody", 0L, "[]");
        Assert.Contains("JS.EndInvokeDotNet", await circuit.HearAsync("JS.EndInvokeDotNet", "JS.Error"), StringComparison.Ordinal);
        using var page = await _site.Http.GetAsync(Page, TestRun.Cancel);
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
    }
}
