using System.Globalization;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using AiBackend.Tests.Architecture;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Papers;

/// <summary>docs/tools.md: the two servers that it has, an Api and a worker that are set up as it says, and its calls one after the other.</summary>
public sealed partial class ToolPageTests(PostgresServer postgres, SimulatorServer simulator) : IClassFixture<SimulatorServer>
{
    internal const string Page = "tools";

    // On the page; here it may be anybody's.
    private const string Port = "9400";

    private const string Expected =
        "\"tool\":\"note\".*\"state\":\"done\".*\"tool\":\"open_ticket\".*\"state\":\"done\".*T-[0-9a-f]{8}: simulated"
        + ".*tool_approval.*ann@example\\.com"
        // What the receiver has done: before the approval the note alone, after it the mail once.
        + ".*\\[\\{\"number\": 1, \"path\": \"/note\", \"text\": \"simulated\"\\}\\]\\{"
        + ".*\"status\":\"completed\".*\\[\\{\"number\": 1, [^\\]]*\\}, \\{\"number\": 2, \"path\": \"/mail\", \"to\": \"ann@example\\.com\"\\}\\]$";

    [Fact]
    public async Task The_calls_of_the_page_do_what_it_says_where_everything_is_set_up_as_it_says()
    {
        var port = FreePort.Next();
        using var receiver = await ChildProcess.StartAsync(
            TestRun.Require("python3"),
            ["-u", Repository.Full("docs/tools/mail.py"), port.ToString(CultureInfo.InvariantCulture)]
        );
        await Eventually.TrueAsync(token => ListensAsync(port, token), "the receiver listens", TimeSpan.FromSeconds(60));
        var settings = Setting()
            .Matches(Here(Repository.Read($"docs/{Page}.md"), port))
            .Select(line =>
                (line.Groups["name"].Value, line.Groups["value"].Value.Replace("$PWD", Repository.Root, StringComparison.Ordinal))
            )
            .ToList();
        Assert.Equal(4, settings.Count);
        var model = await simulator.ModelAsync(new { words = 3 });
        await using var stack = await WorkersBehindApi.StartAsync(postgres, simulator.Address, [model], workers: 1, settings);

        await PageCalls.RunAsync(Page, PageCalls.Of(Page).Select(calls => Here(calls, port)), stack.Api.Address, stack.Api.Key, Expected);
    }

    private static string Here(string text, int port) =>
        text.Replace(Port, port.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);

    private static async Task<bool> ListensAsync(int port, CancellationToken cancellationToken)
    {
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync("127.0.0.1", port, cancellationToken);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    [GeneratedRegex("^export (?<name>\\w+__\\w+)=(?<value>.+)$", RegexOptions.Multiline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Setting();
}
