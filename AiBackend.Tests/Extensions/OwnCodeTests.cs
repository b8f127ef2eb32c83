using System.Collections.Concurrent;
using System.Net;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Tools;
using AiBackend.Core.Contracts.Rules;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tools.Code;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Providers;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Extensions;

/// <summary>A tool and a validator that an installation has of its own: services of the Api and of its workers, and nothing else is needed.</summary>
public sealed class OwnCodeTests(PostgresServer postgres, SimulatorServer simulator) : IAsyncLifetime, IClassFixture<SimulatorServer>
{
    private const string Rules = """[{"rule":"custom","name":"no_shouting","path":"/said"}]""";

    private readonly RedisServer _redis = new();
    private readonly WhoAsks _tool = new();
    private ApiServer _api = null!;
    private CoreHost _worker = null!;
    private string _model = null!;

    public async ValueTask InitializeAsync()
    {
        _model = await simulator.ModelAsync(new { words = 1 });
        _api = new OwnApi(postgres, _redis, Providers(), Add);
        await _api.InitializeAsync();
        _worker = await WorkerUnderTest.StartAsync(
            _api.Db.ConnectionString,
            _redis.ConnectionString,
            [(simulator.Address, _model)],
            [],
            Add
        );
    }

    public async ValueTask DisposeAsync()
    {
        await _worker.DisposeAsync();
        await _api.DisposeAsync();
    }

    [Fact]
    public async Task A_tool_in_code_of_somebody_s_own_is_offered_and_run_for_the_tenant_and_the_key_that_ask()
    {
        await simulator.BehaveAsync(
            _model,
            new
            {
                tools = "first",
                words = 3,
                tool_arguments = """{"greeting":"Good day"}""",
            }
        );
        string[] keys =
        [
            _api.Key,
            await _api.AddTenantAsync(),
            // Another key of a tenant that has one.
            await _api.AddKeyAsync(ApiKeyStore.DefaultTenant, "*"),
        ];

        foreach (var key in keys)
        {
            var http = _api.Client(key);
            var tools = await ReadAsync<ToolList>(await http.GetAsync("/api/v1/tools", TestRun.Cancel), WireJson.Default.ToolList);
            Assert.Contains(
                tools.Data,
                tool => tool is { Name: "who_asks", Kind: ToolKinds.Code, Effect: ToolEffects.Read, Description: "Tells who asks." }
            );

            var job = await RunAsync(http, """ "input":{"messages":[{"role":"user","content":"Who am I?"}],"tools":["who_asks"]} """);

            var caller = new CodeCaller(await TenantOfAsync(key), ApiKey.TryParse(key)!.Id);
            Assert.Equal("completed", job.Status);
            var (asked, greeting) = _tool.Calls.Last();
            Assert.Equal(TimeSpan.FromSeconds(5), asked.Time);
            Assert.Equal((caller, "Good day"), (asked with { EffectId = null, Time = null }, greeting));
            var calls = await ReadAsync<JobToolCalls>(
                await http.GetAsync($"/api/v1/jobs/{job.Id}/tool-calls", TestRun.Cancel),
                WireJson.Default.JobToolCalls
            );
            var call = Assert.Single(calls.Data);
            Assert.Equal(
                ("who_asks", ToolCallStates.Done, $"Good day, {caller.KeyId} of {caller.TenantId}."),
                (call.Tool, call.State, call.Result)
            );
        }

        Assert.Equal(keys.Length, _tool.Calls.Count);
        Assert.Equal(2, _tool.Calls.Select(call => call.Caller.TenantId).Distinct().Count());
    }

    [Fact]
    public async Task Arguments_that_do_not_fit_what_such_a_tool_wants_never_reach_it()
    {
        await simulator.BehaveAsync(
            _model,
            new
            {
                tools = "first",
                words = 3,
                tool_arguments = """{"greeting":5}""",
            }
        );

        var job = await RunAsync(_api.Http, """ "input":{"messages":[{"role":"user","content":"Who am I?"}],"tools":["who_asks"]} """);

        Assert.Equal("completed", job.Status);
        Assert.Empty(_tool.Calls);
    }

    [Theory]
    [InlineData("good day", true)]
    [InlineData("GOOD DAY", false)]
    public async Task A_validator_of_somebody_s_own_is_asked_and_what_it_says_is_stored(string said, bool isValid)
    {
        await simulator.BehaveAsync(_model, new { text = JsonSerializer.Serialize(new { said }) });
        var http = _api.Client(await _api.AddTenantAsync());

        var job = await RunAsync(
            http,
            $$""" "input":{"messages":[{"role":"user","content":"Hello"}]},"contract":{"rules":{{Rules}},"on_violation":"fail"} """
        );

        Assert.Equal((isValid ? "completed" : "failed", isValid), (job.Status, job.Contract!.Valid));
        Assert.Equal(isValid ? null : "contract_violation", job.Error?.Code);
        var trace = await ReadAsync<JobTrace>(
            await http.GetAsync($"/api/v1/jobs/{job.Id}/trace", TestRun.Cancel),
            WireJson.Default.JobTrace
        );
        var check = Assert.Single(Assert.Single(trace.Attempts).Checks);
        Assert.Equal(isValid ? Verdicts.Valid : Verdicts.Rule, check.Verdict);
        Assert.Equal(isValid ? [] : [NoShouting.Violation], check.Violations);
    }

    [Fact]
    public async Task The_Api_knows_the_name_of_such_a_validator_lays_it_on_a_text_and_refuses_names_that_nobody_has()
    {
        var shouts = await CheckAsync("no_shouting");
        var unknown = await CheckAsync("no_whispering");

        var found = await ReadAsync<ContractCheckResult>(shouts, WireJson.Default.ContractCheckResult);
        Assert.Equal((Verdicts.Rule, null), (found.Check.Verdict, found.Text));
        Assert.Equal([NoShouting.Violation], found.Check.Violations);
        Assert.Equal(HttpStatusCode.BadRequest, unknown.StatusCode);
        Assert.Contains("no_whispering", await unknown.Content.ReadAsStringAsync(TestRun.Cancel), StringComparison.Ordinal);
    }

    private void Add(IHostApplicationBuilder builder) =>
        builder.Services.AddSingleton<ICodeTool>(_tool).AddSingleton<IOutputRule, NoShouting>();

    private IEnumerable<(string, string)> Providers() =>
        ProviderHost
            .Entries([simulator.Address], _ => _model)
            .Select(each => (each.Key.Replace("__", ":", StringComparison.Ordinal), each.Value!));

    private Task<HttpResponseMessage> CheckAsync(string rule) =>
        _api.Http.PostAsync(
            "/api/v1/contracts/check",
            Json(
                $$$"""{"contract":{"rules":{{{Rules.Replace("no_shouting", rule, StringComparison.Ordinal)}}}},"text":"{\"said\":\"GOOD DAY\"}"}"""
            ),
            TestRun.Cancel
        );

    private static async Task<Job> RunAsync(HttpClient http, string members)
    {
        using var accepted = await http.PostAsync("/api/v1/jobs", Json($$"""{"type":"chat",{{members}}}"""), TestRun.Cancel);
        Assert.True(accepted.IsSuccessStatusCode, await accepted.Content.ReadAsStringAsync(TestRun.Cancel));
        var id = (await ApiServer.ReadJobAsync(accepted)).Id;
        using var ended = await http.GetAsync($"/api/v1/jobs/{id}?wait=60", TestRun.Cancel);
        return await ApiServer.ReadJobAsync(ended);
    }

    private static StringContent Json(string body) => new(body, Encoding.UTF8, "application/json");

    private static async Task<T> ReadAsync<T>(HttpResponseMessage response, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
    {
        using (response)
        {
            var body = await response.Content.ReadAsStringAsync(TestRun.Cancel);
            Assert.True(response.IsSuccessStatusCode, body);
            return JsonSerializer.Deserialize(body, type)!;
        }
    }

    private async Task<Guid> TenantOfAsync(string key)
    {
        await using var command = _api.Db.Source.CreateCommand("SELECT tenant_id FROM api_keys WHERE key_id = $1");
        command.Parameters.AddWithValue(ApiKey.TryParse(key)!.Id);
        return (Guid)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }

    private sealed class WhoAsks : ICodeTool
    {
        public ConcurrentQueue<(CodeCaller Caller, string Greeting)> Calls { get; } = [];

        public string Name => "who_asks";

        public string Description => "Tells who asks.";

        public JsonElement Parameters { get; } =
            JsonElement.Parse("""{"type":"object","properties":{"greeting":{"type":"string"}},"required":["greeting"]}""");

        public ValueTask<CodeResult> RunAsync(CodeCaller caller, JsonElement arguments, CancellationToken cancellationToken)
        {
            var greeting = arguments.GetProperty("greeting").GetString()!;
            Calls.Enqueue((caller, greeting));
            return new(new CodeResult($"{greeting}, {caller.KeyId} of {caller.TenantId}."));
        }
    }

    private sealed class NoShouting : IOutputRule
    {
        public static readonly ContractViolation Violation = new("/said", ContractRules.Custom, "must not be shouted.");

        public string Name => "no_shouting";

        public string? Refuse(JsonElement value) => value.GetString()!.Any(char.IsLower) ? null : Violation.Message;
    }

    private sealed class OwnApi(
        PostgresServer postgres,
        RedisServer redis,
        IEnumerable<(string, string)> settings,
        Action<IHostApplicationBuilder> add
    ) : ApiServer(postgres, redis)
    {
        protected override IEnumerable<(string Name, string Value)> Settings => settings;

        protected override void Add(IHostApplicationBuilder builder) => add(builder);
    }
}
