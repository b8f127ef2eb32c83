using System.Net;
using System.Net.Sockets;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Failures;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Simulator;

namespace AiBackend.Tests.Providers;

/// <summary>F-25: a provider that hangs, wherever it hangs, ends the call in the time its limit says.</summary>
public sealed class ProviderTimeoutTests(SimulatorServer simulator) : IClassFixture<SimulatorServer>
{
    // Moved when a call is where its limit is to meet it, however long a slow machine takes until then.
    private readonly FakeTime _clock = new();

    [Theory]
    [InlineData("before_headers")]
    [InlineData("before_first_token")]
    public async Task F_25_No_first_token_in_time_is_a_timeout_and_aborts_the_call(string hang)
    {
        var model = await simulator.ModelAsync(new { hang });
        using var providers = Limited(model, "FIRST_TOKEN", "0.3");

        var failing = Failure.OfAsync(providers.StreamAsync());
        await Eventually.TrueAsync(async token => (await simulator.CallsAsync(model, token)).Count == 1, "the call has arrived");
        _clock.Advance(TimeSpan.FromSeconds(0.3));

        AssertTimeout(await failing, "Provider 'p0' sent no first token within 0.3 s.");
        Assert.Equal("client_aborted", (await simulator.EndedCallAsync(model)).GetProperty("outcome").GetString());
    }

    [Fact]
    public async Task F_25_Silence_between_two_tokens_is_a_timeout_after_the_text_that_came()
    {
        var model = await simulator.ModelAsync(new { words = 9, hang_after_tokens = 2 });
        using var providers = Limited(model, "IDLE", "0.3");

        await using var answer = providers.StreamAsync().GetAsyncEnumerator(TestRun.Cancel);
        Assert.Equal("word1 word2 ", await ReadAsync(answer, "word1 word2 "));
        // A wait that begins with the call is one for the first token.
        _clock.Advance(TimeSpan.FromMilliseconds(1));
        var failure = await FailAsync(answer, TimeSpan.FromSeconds(0.3));

        AssertTimeout(failure, "Provider 'p0' fell silent for 0.3 s in the middle of its answer.");
        Assert.Equal("client_aborted", (await simulator.EndedCallAsync(model)).GetProperty("outcome").GetString());
    }

    [Fact]
    public async Task An_answer_that_never_ends_is_cut_by_the_total_limit()
    {
        var model = await simulator.ModelAsync(new { output_tokens = 1_000_000, interval_ms = 20 });
        using var providers = Limited(model, "TOTAL", "0.5");

        await using var answer = providers.StreamAsync().GetAsyncEnumerator(TestRun.Cancel);
        Assert.StartsWith("This is a simulated answer.", await ReadAsync(answer, "This is a simulated answer."));
        var failure = await FailAsync(answer, TimeSpan.FromSeconds(0.5));

        AssertTimeout(failure, "Provider 'p0' did not finish its answer within 0.5 s.");
    }

    [Fact]
    public async Task A_server_that_does_not_accept_is_a_connect_timeout()
    {
        using var deaf = await DeafServer.StartAsync();
        using var providers = Limited("m", "CONNECT", "0.3", deaf.Address);

        var failure = await Failure.OfAsync(providers.StreamAsync());

        AssertTimeout(failure, "Provider 'p0' could not be connected to within 0.3 s.");
    }

    [Fact]
    public async Task A_slow_provider_within_its_limits_is_left_alone()
    {
        var model = await simulator.ModelAsync(
            new
            {
                words = 6,
                ttft_ms = 250,
                interval_ms = 60,
            }
        );
        using var providers = new ProviderHost([
            .. ProviderHost.Entries([simulator.Address], _ => model),
            new("AIBACKEND_PROVIDERS__0__FIRST_TOKEN_TIMEOUT_SECONDS", "20"),
            new("AIBACKEND_PROVIDERS__0__IDLE_TIMEOUT_SECONDS", "20"),
        ]);

        Assert.Equal("word1 word2 word3 word4 word5 word6", (await providers.StreamAsync().ReadAllAsync()).Text());
    }

    private ProviderHost Limited(string model, string limit, string seconds, Uri? address = null) =>
        new(
            _clock,
            [
                .. ProviderHost.Entries([address ?? simulator.Address], _ => model),
                new($"AIBACKEND_PROVIDERS__0__{limit}_TIMEOUT_SECONDS", seconds),
            ]
        );

    /// <summary>Reads until there is this text, or no more.</summary>
    private static async Task<string> ReadAsync(IAsyncEnumerator<ChatProgress> answer, string text)
    {
        var read = "";
        while (!read.StartsWith(text, StringComparison.Ordinal) && await answer.MoveNextAsync())
        {
            read += (answer.Current as ChatProgress.Text)?.Delta;
        }

        return read;
    }

    /// <summary>Reads on while time passes, until the call fails.</summary>
    private async Task<ProviderFailure> FailAsync(IAsyncEnumerator<ChatProgress> answer, TimeSpan limit)
    {
        var reading = Task.Run(async () => await Record.ExceptionAsync(ReadOnAsync));
        await Eventually.TrueAsync(
            () =>
            {
                _clock.Advance(limit);
                return reading.IsCompleted;
            },
            "the call ends"
        );
        var exception = await reading;
        Assert.NotNull(exception);
        return ProviderFailures.Classify(exception);

        async Task ReadOnAsync()
        {
            while (await answer.MoveNextAsync())
            {
                // More of what came before.
            }
        }
    }

    private static void AssertTimeout(ProviderFailure failure, string message)
    {
        var transient = Assert.IsType<ProviderFailure.Transient>(failure);
        Assert.Equal(("provider_timeout", message), (transient.Code, transient.Message));
    }

    /// <summary>Listens, but its queue of connections is full, so the kernel drops what comes.</summary>
    private sealed class DeafServer : IDisposable
    {
        private readonly Socket _listener = new(SocketType.Stream, ProtocolType.Tcp);
        private readonly List<Socket> _fillers = [];

        public Uri Address => new($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndPoint!).Port}");

        public static async Task<DeafServer> StartAsync()
        {
            var server = new DeafServer();
            server._listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            server._listener.Listen(0);
            // One connection may only be slow on a busy machine; three in a row mean that the queue is full.
            for (var refused = 0; refused < 3; )
            {
                var filler = new Socket(SocketType.Stream, ProtocolType.Tcp);
                server._fillers.Add(filler);
                using var patience = new CancellationTokenSource(TimeSpan.FromMilliseconds(300));
                try
                {
                    await filler.ConnectAsync(server._listener.LocalEndPoint!, patience.Token);
                    refused = 0;
                }
                catch (OperationCanceledException)
                {
                    refused++;
                }
            }

            return server;
        }

        public void Dispose()
        {
            _fillers.ForEach(filler => filler.Dispose());
            _listener.Dispose();
        }
    }
}
