using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using Npgsql;

namespace AiBackend.Tests.Worker;

/// <summary>Worker processes as they are in service, the Api in front of them, and one provider p0 that all of them know.</summary>
internal sealed class WorkersBehindApi : IAsyncDisposable
{
    private readonly List<WorkerProcess> _workers = [];

    private WorkersBehindApi(ApiServer api) => Api = api;

    public ApiServer Api { get; }

    /// <param name="postgres">The server.</param>
    /// <param name="provider">Where p0 is.</param>
    /// <param name="models">What may be asked of it; the first is its default.</param>
    /// <param name="workers">How many processes.</param>
    /// <param name="settings">Variables of the workers, with two underscores between levels.</param>
    public static async Task<WorkersBehindApi> StartAsync(
        PostgresServer postgres,
        Uri provider,
        string[] models,
        int workers,
        params IEnumerable<(string Key, string Value)> settings
    )
    {
        var redis = new RedisServer();
        (string Key, string Value)[] providers =
        [
            ("AIBACKEND_PROVIDERS__0__NAME", "p0"),
            ("AIBACKEND_PROVIDERS__0__BASE_URL", new Uri(provider, "/v1").ToString()),
            ("AIBACKEND_PROVIDERS__0__API_KEY", "sk-secret-of-the-test"),
            ("AIBACKEND_PROVIDERS__0__MODEL", models[0]),
            ("AIBACKEND_PROVIDERS__0__MODELS", string.Join(',', models)),
        ];
        // Where tools may be is for the Api to say, too.
        var tools = settings.Where(each =>
            each.Key.StartsWith("Egress__", StringComparison.Ordinal) || each.Key.StartsWith("Tools__", StringComparison.Ordinal)
        );
        var stack = new WorkersBehindApi(new ProviderApi(postgres, redis, [.. providers, .. tools]));
        await stack.Api.InitializeAsync();
        for (var worker = 0; worker < workers; worker++)
        {
            stack._workers.Add(await WorkerProcess.StartAsync(stack.Api.Db, redis, (provider, models[0]), [.. providers, .. settings]));
        }

        await Eventually.TrueAsync(
            async _ =>
                await stack.ScalarAsync("SELECT count(*) FROM workers WHERE last_seen_at > now() - interval '10 seconds'") == workers,
            "all workers are there",
            TimeSpan.FromSeconds(60)
        );
        return stack;
    }

    public Task<long> CountAsync(string condition) => ScalarAsync("SELECT count(*) FROM jobs WHERE " + condition);

    public async Task<long> ScalarAsync(string sql)
    {
        await using var command = Command(sql);
        return (long)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }

    public async Task ExecuteAsync(string sql)
    {
        await using var command = Command(sql);
        await command.ExecuteNonQueryAsync(TestRun.Cancel);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var worker in _workers)
        {
            worker.Dispose();
        }

        await Api.DisposeAsync();
    }

#pragma warning disable CA2100 // Constants of the tests.
    private NpgsqlCommand Command(string sql) => Api.Db.Source.CreateCommand(sql);
#pragma warning restore CA2100

    private sealed class ProviderApi(PostgresServer postgres, RedisServer redis, IReadOnlyList<(string Key, string Value)> provider)
        : ApiServer(postgres, redis)
    {
        protected override IEnumerable<(string Name, string Value)> Settings =>
            provider.Select(each => (each.Key.Replace("__", ":", StringComparison.Ordinal), each.Value));
    }
}
