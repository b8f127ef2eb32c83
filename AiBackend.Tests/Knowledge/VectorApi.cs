using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Knowledge;
using AiBackend.Core.Admission;
using AiBackend.Core.Controls;
using AiBackend.Core.Knowledge;
using AiBackend.Core.Providers;
using AiBackend.Core.Routing;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;

namespace AiBackend.Tests.Knowledge;

/// <summary>The real Api whose knowledge has a model that makes vectors, and what the leader does for it, each time a test says so.</summary>
internal sealed class VectorApi(PostgresServer postgres, RedisServer redis, SimulatorServer simulator) : ApiServer(postgres)
{
    private static int _names;

    private CoreHost? _leader;

    public string Model { get; private init; } = $"sim-embed-k{Interlocked.Increment(ref _names)}";

    public CoreHost Leader => _leader!;

    protected override IEnumerable<(string Name, string Value)> Settings => KnowledgeSettings;

    private IEnumerable<(string, string)> KnowledgeSettings =>
        [
            ("services:simulator:http:0", simulator.Address.ToString()),
            ("Knowledge:EmbeddingModel", Model),
            ("Admission:Patience", "00:00:00.300"),
        ];

    public static async Task<VectorApi> StartAsync(
        PostgresServer postgres,
        RedisServer redis,
        SimulatorServer simulator,
        string? model = null
    )
    {
        var api = model is null ? new VectorApi(postgres, redis, simulator) : new VectorApi(postgres, redis, simulator) { Model = model };
        await simulator.BehaveAsync(api.Model, new { });
        await api.InitializeAsync();
        api._leader = await api.StartLeaderAsync();
        return api;
    }

    /// <summary>Turns what is there into vectors, as whoever leads does.</summary>
    public async Task EmbedAsync()
    {
        while (await Leader.Get<EmbedPassages>().RunAsync(TestRun.Cancel))
        {
            // Until there is nothing left that can be done now.
        }
    }

    public async Task PutAsync(string body, HttpClient? http = null)
    {
        using var response = await (http ?? Http).PutAsync(
            new Uri("/api/v1/knowledge/c/documents", UriKind.Relative),
            Json(body),
            TestRun.Cancel
        );
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(TestRun.Cancel));
    }

    public async Task<KnowledgePassages> SearchAsync(string body, HttpClient? http = null)
    {
        using var response = await (http ?? Http).PostAsync(
            new Uri("/api/v1/knowledge/c/search", UriKind.Relative),
            Json(body),
            TestRun.Cancel
        );
        var text = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonSerializer.Deserialize(text, WireJson.Default.KnowledgePassages)!;
    }

    public async Task SendAsync(HttpMethod method, string path, string body)
    {
        using var request = new HttpRequestMessage(method, path) { Content = Json(body) };
        using var response = await Http.SendAsync(request, TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(TestRun.Cancel));
    }

    public Task<IReadOnlyList<JsonElement>> CallsAsync() => simulator.CallsAsync(Model, TestRun.Cancel);

    public Task BehaveAsync(object behaviour) => simulator.BehaveAsync(Model, behaviour);

    public new async ValueTask DisposeAsync()
    {
        await Leader.DisposeAsync();
        await base.DisposeAsync();
    }

    private Task<CoreHost> StartLeaderAsync() =>
        CoreHost.StartAsync(
            Db.ConnectionString,
            redis.ConnectionString,
            builder =>
            {
                builder.AddAdmission();
                builder.AddRouting();
                builder.AddHeldProviders();
                builder.AddProviders();
                builder.AddKnowledge();
            },
            KnowledgeSettings
        );

    private static StringContent Json(string body) => new(body, Encoding.UTF8, new MediaTypeHeaderValue("application/json"));
}
