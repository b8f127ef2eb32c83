using System.Net;
using System.Net.Sockets;
using AiBackend.Core.Providers.Failures;
using AiBackend.Tests.Simulator;

namespace AiBackend.Tests.Providers;

/// <summary>F-25: a provider that hangs, wherever it hangs, ends the call in the time its limit says.</summary>
public sealed class ProviderTimeoutTests(SimulatorServer simulator) : IClassFixture<SimulatorServer>
{
    [Theory]
    [InlineData("before_headers")]
    [InlineData("before_first_token")]
    public async Task F_25_No_first_token_in_time_is_a_timeout_and_aborts_the_call(string hang)
    {
        var model = await simulator.ModelAsync(new { hang });
        using var providers = Limited(model, "FIRST_TOKEN", "0.3");

        var failure = await Failure.OfAsync(providers.StreamAsync());

        AssertTimeout(failure, "Provider 'p0' sent no first token within 0.3 s.");
        Assert.Equal("client_aborted", (await simulator.EndedCallAsync(model)).GetProperty("outcome").GetString());
    }

    [Fact]
    public async Task F_25_Silence_between_two_tokens_is_a_timeout_after_the_text_that_came()
    {
        var model = await simulator.ModelAsync(new { words = 9, hang_after_tokens = 2 });
        using var providers = Limited(model, "IDLE", "0.3");

        var (progress, failure) = await Failure.WithProgressAsync(providers.StreamAsync());

        Assert.Equal("word1 word2 ", progress.Text());
        AssertTimeout(failure, "Provider 'p0' fell silent for 0.3 s in the middle of its answer.");
        Assert.Equal("client_aborted", (await simulator.EndedCallAsync(model)).GetProperty("outcome").GetString());
    }

    [Fact]
    public async Task An_answer_that_never_ends_is_cut_by_the_total_limit()
    {
        var model = await simulator.ModelAsync(new { output_tokens = 1_000_000, interval_ms = 20 });
        using var providers = Limited(model, "TOTAL", "0.5");

        var (progress, failure) = await Failure.WithProgressAsync(providers.StreamAsync());

        Assert.StartsWith("This is a simulated answer.", progress.Text());
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
            new("AIBACKEND_PROVIDERS__0__FIRST_TOKEN_TIMEOUT_SECONDS", "5"),
            new("AIBACKEND_PROVIDERS__0__IDLE_TIMEOUT_SECONDS", "5"),
        ]);

        Assert.Equal("word1 word2 word3 word4 word5 word6", (await providers.StreamAsync().ReadAllAsync()).Text());
    }

    private ProviderHost Limited(string model, string limit, string seconds, Uri? address = null) =>
        new([
            .. ProviderHost.Entries([address ?? simulator.Address], _ => model),
            new($"AIBACKEND_PROVIDERS__0__{limit}_TIMEOUT_SECONDS", seconds),
        ]);

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
