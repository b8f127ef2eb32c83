using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using AiBackend.Core.Database;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Simulator;

namespace AiBackend.Tests.OpenAiApi.Embeddings;

/// <summary>The real Api with the real simulator as its provider; no worker.</summary>
public sealed class EmbeddingApi(PostgresServer postgres) : IAsyncLifetime
{
    private SimulatedApi _api = null!;
    private static int _names;

    public ApiServer Api => _api;

    public SimulatorServer Simulator { get; } = new();

    public async ValueTask InitializeAsync()
    {
        await Simulator.InitializeAsync();
        _api = new SimulatedApi(postgres, Simulator.Address);
        await _api.InitializeAsync();
    }

    /// <summary>A model nobody else uses, which embeds and behaves as told.</summary>
    public async Task<string> ModelAsync(object? behaviour = null)
    {
        var model = $"sim-embed-{Interlocked.Increment(ref _names)}";
        await Simulator.BehaveAsync(model, behaviour ?? new { });
        return model;
    }

    /// <summary>One that leaves whoever asks without an answer, who does not wait for it for long. All others may take their time.</summary>
    public async Task<string> SilentModelAsync(object behaviour)
    {
        var model = await ModelAsync(behaviour);
        await SendAsync(HttpMethod.Put, $"/api/v1/deployments/simulator/{model}", """{"timeouts":{"first_token_seconds":2}}""");
        return model;
    }

    public static string Body(string model, string input = "\"Hello\"", string more = "") =>
        $$"""{"model":"{{model}}","input":{{input}}{{more}}}""";

    public Task<HttpResponseMessage> EmbedAsync(string body, params (string Name, string Value)[] headers) =>
        _api.Http.CallAsync("/v1/embeddings", Encoding.UTF8.GetBytes(body), TestRun.Cancel, headers);

    /// <summary>The calls of a model in the ledger, oldest first.</summary>
    public async Task<List<LedgerRow>> LedgerAsync(string model)
    {
        await using var command = _api.Db.Source.CreateCommand(
            "SELECT job_id, lease_epoch, state::int, input_tokens, cost_usd, end_user FROM provider_calls WHERE model = $1 ORDER BY job_id"
        );
        command.Parameters.Add(new Npgsql.NpgsqlParameter { Value = model });
        return await command.ReadAllAsync(ReadRow, TestRun.Cancel);
    }

    private static LedgerRow ReadRow(Npgsql.NpgsqlDataReader row) =>
        new(
            row.GetGuid(0),
            row.GetInt32(1),
            row.GetInt32(2),
            row.IsDBNull(3) ? null : row.GetInt64(3),
            row.IsDBNull(4) ? null : row.GetDecimal(4),
            row.Text(5)
        );

    /// <summary>The same, once none is open.</summary>
    public Task<List<LedgerRow>> SettledAsync(string model) =>
        Eventually.GetAsync(
            _ => LedgerAsync(model),
            rows => rows.Count > 0 && rows.TrueForAll(row => row.State > 1),
            $"the calls of {model} are settled"
        );

    public async Task SendAsync(HttpMethod method, string path, string body)
    {
        using var request = new HttpRequestMessage(method, path)
        {
            Content = new StringContent(body, new MediaTypeHeaderValue("application/json")),
        };
        using var response = await _api.Http.SendAsync(request, TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(TestRun.Cancel));
    }

    public static float[] VectorOf(JsonElement answer, int index = 0) =>
        [.. answer.GetProperty("data")[index].GetProperty("embedding").EnumerateArray().Select(number => number.GetSingle())];

    public async ValueTask DisposeAsync()
    {
        await _api.DisposeAsync();
        await Simulator.DisposeAsync();
    }

    public sealed record LedgerRow(Guid Id, int Epoch, int State, long? Input, decimal? Cost, string? User);

    private sealed class SimulatedApi(PostgresServer postgres, Uri simulator) : ApiServer(postgres)
    {
        protected override IEnumerable<(string Name, string Value)> Settings =>
            [
                ("services:simulator:http:0", simulator.ToString()),
                ("Admission:Patience", "00:00:00.300"),
                ("OpenAi:EmbeddingTextsAtOnce", "2048"),
            ];
    }
}
