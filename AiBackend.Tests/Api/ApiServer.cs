using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using AiBackend.Api;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using Npgsql;
#if FAULT_POINTS
using AiBackend.ServiceDefaults.Hosting;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
#endif

namespace AiBackend.Tests.Api;

/// <summary>The real Api in this process, on a port of its own, with a database and a Redis of its own; no worker.</summary>
public class ApiServer : IAsyncLifetime
{
    public const string Chat = """{"type":"chat","input":{"messages":[{"role":"user","content":"Hello"}]}}""";

    private const string LoudSql = """
        CREATE FUNCTION refuse_nobody() RETURNS uuid[] LANGUAGE plpgsql STABLE AS $$
        BEGIN
            RAISE EXCEPTION 'a statement does not say for which tenant it acts' USING ERRCODE = 'AI099';
        END $$;
        CREATE OR REPLACE FUNCTION acting_tenants() RETURNS uuid[] LANGUAGE plpgsql STABLE AS $$
        BEGIN
            RETURN coalesce(nullif(current_setting('app.tenants', true), '')::uuid[], refuse_nobody());
        END $$
        """;

    private readonly SocketsHttpHandler _handler = new()
    {
        // By default the client would refuse to send what the tests want to see refused.
        RequestHeaderEncodingSelector = (_, _) => Encoding.UTF8,
        // Who asks before it sends waits for the answer, also of a server that takes its time: sent after all, a body that is refused cuts the answer off.
        Expect100ContinueTimeout = TimeSpan.FromMinutes(1),
    };
    private readonly PostgresServer _postgres;
    private readonly RedisServer _redis;
    private readonly List<HttpClient> _clients = [];
    private CoreHost? _worker;

    public ApiServer(PostgresServer postgres)
        : this(postgres, new RedisServer()) { }

    /// <summary>With servers that the test stops and starts.</summary>
    internal ApiServer(PostgresServer postgres, RedisServer redis)
    {
        _postgres = postgres;
        _redis = redis;
    }

    public WebApplication App { get; private set; } = null!;

    public TestDatabase Db { get; private set; } = null!;

    public Uri Address { get; private set; } = null!;

    /// <summary>A key of tenant <c>default</c> with every scope.</summary>
    public string Key { get; private set; } = null!;

    /// <summary>Sends <see cref="Key"/> with every request.</summary>
    public HttpClient Http { get; private set; } = null!;

    /// <summary>What this server is told beside its addresses.</summary>
    protected virtual IEnumerable<(string Name, string Value)> Settings => [];

    /// <summary>Whether a statement that does not say for whom it acts fails here, instead of seeing nothing: nobody would notice that.</summary>
    protected virtual bool IsWallLoud => true;

    /// <summary>Adds what this server has of its own.</summary>
    protected virtual void Add(IHostApplicationBuilder builder) { }

    public T Get<T>()
        where T : notnull => App.Services.GetRequiredService<T>();

    public async ValueTask InitializeAsync()
    {
        Db = await _postgres.CreateDatabaseAsync();
        if (IsWallLoud)
        {
            await using var loud = Db.Source.CreateCommand(LoudSql);
            await loud.ExecuteNonQueryAsync(TestRun.Cancel);
        }

        await _redis.StartAsync();
        App = Create(
            [("ConnectionStrings:aibackend", Db.ConnectionString), ("ConnectionStrings:redis", _redis.ConnectionString), .. Settings],
            add: Add
        );
        await App.StartAsync(TestRun.Cancel);
        Address = new Uri(App.Urls.Single());
        Key = await AddKeyAsync(ApiKeyStore.DefaultTenant, "*");
        Http = Client(Key);
    }

    /// <summary>The application as a process would build it; not started.</summary>
    public static WebApplication Create(
        IEnumerable<(string Name, string Value)> settings,
        string environment = "Development",
        Action<IHostApplicationBuilder>? add = null,
        bool isTestBuild = false
    ) =>
        ApiHost.Create(
            [
                "--urls=http://127.0.0.1:0",
                $"--environment={environment}",
                "--Logging:LogLevel:Default=Warning",
                "--services:simulator:http:0=http://127.0.0.1:9",
                .. settings.Select(setting => $"--{setting.Name}={setting.Value}"),
            ],
            builder =>
            {
#if FAULT_POINTS
                if (!isTestBuild && environment == "Production")
                {
                    // As what is shipped, which has no such refusal since it has no fault points.
                    builder.Services.RemoveAll<IValidateOptions<StartRefusal.Refused>>();
                }
#endif
                add?.Invoke(builder);
            }
        );

    public async Task<string> AddKeyAsync(Guid tenantId, params string[] scopes)
    {
        var key = ApiKey.Create(live: false);
        await Get<ApiKeyStore>().AddAsync(key, tenantId, "test", scopes, TestRun.Cancel);
        return key.Text;
    }

    public async Task RevokeAsync(string key)
    {
        await using var revoke = Db.Source.CreateCommand("UPDATE api_keys SET revoked_at = now() WHERE key_id = $1");
        revoke.Parameters.AddWithValue(ApiKey.TryParse(key)!.Id);
        await revoke.ExecuteNonQueryAsync(TestRun.Cancel);
    }

    /// <summary>A key of a tenant that nobody else uses.</summary>
    public async Task<string> AddTenantAsync()
    {
        var tenantId = Guid.CreateVersion7();
        await using var command = Db.Source.CreateCommand("INSERT INTO tenants (id, slug) VALUES ($1, $2)");
        command.Parameters.Add(new NpgsqlParameter { Value = tenantId });
        command.Parameters.Add(new NpgsqlParameter { Value = tenantId.ToString() });
        await command.ExecuteNonQueryAsync(TestRun.Cancel);
        return await AddKeyAsync(tenantId, "*");
    }

    /// <summary>A client that sends this key, or none.</summary>
    public HttpClient Client(string? key)
    {
        var client = new HttpClient(_handler, disposeHandler: false) { BaseAddress = Address };
        client.DefaultRequestHeaders.Authorization = key is null ? null : new AuthenticationHeaderValue("Bearer", key);
        _clients.Add(client);
        return client;
    }

    /// <summary>Posts a body as JSON, with headers such as <c>("Prefer", "wait=1")</c>.</summary>
    public Task<HttpResponseMessage> PostAsync(string body, params (string Name, string Value)[] headers) =>
        PostAsync(Http, Encoding.UTF8.GetBytes(body), headers);

    public static async Task<HttpResponseMessage> PostAsync(HttpClient http, byte[] body, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs") { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return await http.SendAsync(request, TestRun.Cancel);
    }

    /// <summary>Submits a job that must be accepted.</summary>
    public async Task<Job> SubmitAsync(string body = Chat, params (string Name, string Value)[] headers)
    {
        using var response = await PostAsync(body, headers);
        Assert.True(response.StatusCode == System.Net.HttpStatusCode.Accepted, await response.Content.ReadAsStringAsync(TestRun.Cancel));
        return await ReadJobAsync(response);
    }

    public async Task<Job> GetJobAsync(Guid jobId)
    {
        using var response = await Http.GetAsync($"/api/v1/jobs/{jobId}", TestRun.Cancel);
        Assert.Equal(System.Net.HttpStatusCode.OK, response.StatusCode);
        return await ReadJobAsync(response);
    }

    public static async Task<Job> ReadJobAsync(HttpResponseMessage response) =>
        JsonSerializer.Deserialize(await response.Content.ReadAsByteArrayAsync(TestRun.Cancel), WireJson.Default.Job)!;

    /// <summary>Reads a refusal and checks what every one of them promises.</summary>
    public static async Task<Problem> ReadProblemAsync(HttpResponseMessage response)
    {
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.ToString());
        Assert.Equal(["nosniff"], response.Headers.GetValues("X-Content-Type-Options"));
        var problem = JsonSerializer.Deserialize(await response.Content.ReadAsByteArrayAsync(TestRun.Cancel), WireJson.Default.Problem)!;
        Assert.Equal((int)response.StatusCode, problem.Status);
        Assert.Equal(problem.Type, "/problems/" + problem.Code.Replace('_', '-'));
        Assert.Matches("^[0-9a-f]{32}$", problem.TraceId);
        return problem;
    }

    /// <summary>The same database and Redis seen from a process that runs jobs.</summary>
    public async Task<CoreHost> WorkerAsync() => _worker ??= await CoreHost.StartAsync(Db.ConnectionString, _redis.ConnectionString);

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        foreach (var client in _clients)
        {
            client.Dispose();
        }

        _handler.Dispose();
        await (_worker?.DisposeAsync() ?? default);
        await App.StopAsync(CancellationToken.None);
        await App.DisposeAsync();
        await _redis.DisposeAsync();
        await Db.DisposeAsync();
    }
}
