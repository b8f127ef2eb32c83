using System.Text.Json;
using AiBackend.Simulator;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Simulator;

/// <summary>The real simulator in this process, on a port of its own.</summary>
public sealed class SimulatorServer : IAsyncLifetime
{
    private readonly WebApplication _app = SimulatorHost.Create([
        "--urls",
        "http://127.0.0.1:0",
        "--environment",
        "Development",
        "--Logging:LogLevel:Default",
        "Warning",
    ]);
    private readonly SocketsHttpHandler _handler = new();
    private static int _names;

    public Uri Address { get; private set; } = null!;

    /// <summary>Talks to the simulator directly.</summary>
    public HttpClient Http { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        await _app.StartAsync(TestRun.Cancel);
        Address = new Uri(_app.Urls.Single());
        Http = new HttpClient(_handler, disposeHandler: false) { BaseAddress = Address };
    }

    /// <summary>A model nobody else uses, which behaves as told. Members are the controls of <c>GET /sim/controls</c>.</summary>
    public async Task<string> ModelAsync(object behaviour)
    {
        var model = $"sim-test-{Interlocked.Increment(ref _names)}";
        await BehaveAsync(model, behaviour);
        return model;
    }

    public async Task BehaveAsync(string model, object behaviour)
    {
        // Instant unless the test says otherwise.
        var sim = JsonSerializer.SerializeToNode(behaviour)!.AsObject();
        sim.TryAdd("ttft_ms", 0);
        if (!sim.ContainsKey("tokens_per_second"))
        {
            sim.TryAdd("interval_ms", 0);
        }

        using var response = await Http.PutAsJsonAsync($"/sim/behaviours/{model}", sim, TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(TestRun.Cancel));
    }

    /// <summary>The calls for one model, oldest first.</summary>
    public async Task<IReadOnlyList<JsonElement>> CallsAsync(string model, CancellationToken cancellationToken)
    {
        var answer = await Http.GetFromJsonAsync<JsonElement>($"/sim/calls?model={model}", cancellationToken);
        return [.. answer.GetProperty("data").EnumerateArray()];
    }

    /// <summary>The one call of this model, once it has ended.</summary>
    public async Task<JsonElement> EndedCallAsync(string model)
    {
        var calls = await Eventually.GetAsync(
            token => CallsAsync(model, token),
            calls => calls.Count > 0 && calls.All(call => call.GetProperty("outcome").GetString() != "running"),
            $"the calls of {model} have ended"
        );
        return Assert.Single(calls);
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        _handler.Dispose();
        await _app.DisposeAsync();
    }
}
