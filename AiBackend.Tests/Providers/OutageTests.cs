using System.Net;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Circuits;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Simulator;

namespace AiBackend.Tests.Providers;

/// <summary>What opens a deployment's breaker over real HTTP, and what does not.</summary>
public sealed class OutageTests(SimulatorServer simulator) : IClassFixture<SimulatorServer>
{
    private const int Enough = 5;

    public static TheoryData<string, object> Outages =>
        new()
        {
            { "silence", new { hang = "before_first_token" } },
            { "silence in the middle", new { words = 10, hang_after_tokens = 3 } },
            { "its own error", new { error_rate = 1, error_status = 500 } },
            { "a cut stream", new { words = 10, cut_after_tokens = 3 } },
            { "something unreadable", new { malformed = "html" } },
        };

    public static TheoryData<string, object> Refusals =>
        new()
        {
            { "a limit", new { error_rate = 1, error_status = 429 } },
            { "a forbidden country", new { error_rate = 1, error_status = 403 } },
            { "no such model", new { error_rate = 1, error_status = 404 } },
            { "a faulty request", new { error_rate = 1, error_status = 400 } },
        };

    [Theory]
    [MemberData(nameof(Outages))]
    public async Task F_25_every_kind_of_outage_opens_the_breaker(string what, object behaviour)
    {
        var model = await simulator.ModelAsync(behaviour);
        using var providers = HostFor(simulator.Address, model, isSilent: what.StartsWith("silence", StringComparison.Ordinal));

        await AskAsync(providers, Enough);
        var after = Assert.Single(await AskAsync(providers, 1));

        Assert.True(after == "provider_circuit_open", $"After {what} the answer was {after}.");
        // On a slow machine the time for an answer may be over before its call has arrived.
        Assert.InRange((await simulator.CallsAsync(model, TestRun.Cancel)).Count, 1, Enough);
    }

    [Fact]
    public async Task F_25_a_port_where_nobody_listens_opens_the_breaker()
    {
        using var providers = HostFor(new Uri($"http://{IPAddress.Loopback}:{FreePort.Next()}"), "any");

        Assert.All(await AskAsync(providers, Enough), code => Assert.Equal("provider_unavailable", code));

        Assert.Equal("provider_circuit_open", Assert.Single(await AskAsync(providers, 1)));
    }

    [Theory]
    [MemberData(nameof(Refusals))]
    public async Task F_28_a_refusal_by_a_server_that_is_well_opens_nothing(string what, object behaviour)
    {
        var model = await simulator.ModelAsync(behaviour);
        using var providers = HostFor(simulator.Address, model);

        var codes = await AskAsync(providers, 2 * Enough);

        Assert.True(!codes.Contains("provider_circuit_open"), $"It opened after {what}.");
        Assert.Equal(2 * Enough, (await simulator.CallsAsync(model, TestRun.Cancel)).Count);
    }

    [Fact]
    public async Task Calls_that_we_abort_open_nothing()
    {
        var model = await simulator.ModelAsync(new { words = 1000, interval_ms = 5 });
        using var providers = HostFor(simulator.Address, model);
        for (var call = 0; call < 2 * Enough; call++)
        {
            await foreach (var step in providers.StreamAsync(model).WithCancellation(TestRun.Cancel))
            {
                if (step is ChatProgress.Text)
                {
                    break;
                }
            }
        }

        await simulator.BehaveAsync(model, new { words = 2 });
        Assert.NotEmpty((await providers.StreamAsync(model).ReadAllAsync()).Text());
    }

    [Fact]
    public async Task Breakers_of_models_that_callers_made_up_are_forgotten_and_that_of_one_that_is_down_is_kept()
    {
        var model = await simulator.ModelAsync(new { error_rate = 1, error_status = 500 });
        using var providers = HostFor(simulator.Address, model);
        await AskAsync(providers, Enough);
        var breakers = providers.Services.GetRequiredService<CircuitBreakers>();
        var made = providers.Catalog.Route(model)[0];

        for (var name = 0; name < 2 * CircuitBreakers.MostKept; name++)
        {
            breakers.TryPass(made with { Model = $"sim-{name}" }, out _)!.Dispose();
        }

        Assert.InRange(breakers.Count, 1, CircuitBreakers.MostKept + 1);
        Assert.Equal("provider_circuit_open", Assert.Single(await AskAsync(providers, 1)));
    }

    /// <param name="address">Where it is.</param>
    /// <param name="model">What it is asked for.</param>
    /// <param name="isSilent">Then it is soon given up; whoever answers has the time that a slow machine needs.</param>
    private static ProviderHost HostFor(Uri address, string model, bool isSilent = false)
    {
        var limits = isSilent ? (string[])["FIRST_TOKEN", "IDLE"] : [];
        return new([
            .. ProviderHost.Entries([address], _ => model),
            .. limits.Select(limit => KeyValuePair.Create($"AIBACKEND_PROVIDERS__0__{limit}_TIMEOUT_SECONDS", (string?)"0.3")),
        ]);
    }

    /// <returns>The codes of the failures.</returns>
    private static async Task<IReadOnlyList<string>> AskAsync(ProviderHost providers, int times)
    {
        var codes = new List<string>();
        for (var call = 0; call < times; call++)
        {
            codes.Add((await Failure.OfAsync(providers.StreamAsync())).Code);
        }

        return codes;
    }
}
