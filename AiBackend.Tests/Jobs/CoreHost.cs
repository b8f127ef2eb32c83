using System.Globalization;
using AiBackend.Core.Controls;
using AiBackend.Core.Database;
using AiBackend.Core.DeadLetters;
using AiBackend.Core.Events;
using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;
using AiBackend.Core.Redis;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Webhooks;
using AiBackend.Tests.Fixtures;
using Npgsql;

namespace AiBackend.Tests.Jobs;

/// <summary>The product's core on a real Postgres and a real Redis, without any process around it.</summary>
public sealed class CoreHost : IAsyncDisposable
{
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(10);

    /// <summary>Who waits for a lock waits for long: for tests that hold some, on a machine that may stop for seconds.</summary>
    public static readonly (string Key, string Value) PatientWithLocks = ("Database:LockTimeout", "00:00:25");

    private static readonly JobIds Ids = new(TimeProvider.System);

    private readonly IHost _host;

    private CoreHost(IHost host, string databaseConnection) =>
        (_host, Database) = (host, DatabaseRegistration.Open(databaseConnection + TestDatabase.Patiently));

    /// <summary>As the owner, who may look at everything; the product itself is a worker.</summary>
    public NpgsqlDataSource Database { get; }

    public NpgsqlDataSource Rounds => _host.Services.GetRequiredKeyedService<NpgsqlDataSource>(DatabaseRegistration.Rounds);

    public NpgsqlDataSource HotPath => _host.Services.GetRequiredKeyedService<NpgsqlDataSource>(DatabaseRegistration.HotPath);

    public JobSubmission Submission => Get<JobSubmission>();

    public LeasedWrites Writes => Get<LeasedWrites>();

    public JobReads Reads => Get<JobReads>();

    public Guid WorkerId { get; } = Guid.CreateVersion7();

    /// <param name="databaseConnection">Where Postgres is.</param>
    /// <param name="redisConnection">Where Redis is.</param>
    /// <param name="add">What this host has besides the core, for example what a worker runs.</param>
    /// <param name="settings">Configuration.</param>
    public static async Task<CoreHost> StartAsync(
        string databaseConnection,
        string redisConnection,
        Action<IHostApplicationBuilder>? add = null,
        params IEnumerable<(string Key, string Value)> settings
    )
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { EnvironmentName = "Development" });
        builder.Configuration.AddInMemoryCollection(
            settings
                // The template has no more weeks: what is not missing need not be made while a test runs.
                .Prepend(("Retention:WeeksAhead", "1"))
                .Append(("ConnectionStrings:aibackend", databaseConnection))
                .Append(("ConnectionStrings:redis", redisConnection))
                .Select(setting => KeyValuePair.Create(setting.Item1, (string?)setting.Item2))
        );
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.AddDatabase(DatabaseRole.Worker);
        builder.AddRedis();
        builder.AddQueue();
        builder.AddJobSignals();
        builder.AddJobSubmission();
        builder.AddJobLeases();
        builder.AddJobEventReading();
        builder.AddDeadLetters();
        builder.AddDeadLetterMaintenance();
        builder.AddWebhookEndpoints();
        builder.AddTenancy();
        builder.AddControls();
        add?.Invoke(builder);
        var host = builder.Build();
        await host.StartAsync(TestRun.Cancel);
        return new CoreHost(host, databaseConnection);
    }

    public T Get<T>()
        where T : notnull => _host.Services.GetRequiredService<T>();

    public static JobDraft Draft(string? key = null, string input = """{"messages":[{"role":"user","content":"Hello"}]}""") =>
        new()
        {
            Id = Ids.Next(),
            TenantId = ApiKeyStore.DefaultTenant,
            Type = JobType.Chat,
            Priority = JobPriority.Standard,
            Model = "default",
            MaxAttempts = 3,
            Input = input,
            IdempotencyKey = key,
            Fingerprint = key is null ? null : System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(input)),
        };

    /// <summary>Submits a job and returns its id.</summary>
    public async Task<Guid> SubmitAsync(JobDraft? draft = null)
    {
        draft ??= Draft();
        Assert.IsType<SubmitOutcome.Accepted>(await Submission.SubmitAsync(draft));
        return draft.Id;
    }

    /// <summary>Claims one job, which must be free.</summary>
    public async Task<RunningJob> ClaimAsync(Guid jobId, Guid? workerId = null) =>
        Writes.Open(Assert.Single(await Get<ClaimJobs>().RunAsync(workerId ?? WorkerId, [jobId], Lease, TestRun.Cancel)));

    /// <summary>Makes Postgres believe that the lease ran out.</summary>
    public Task ExpireLeaseAsync(Guid jobId) =>
        ExecuteAsync("UPDATE jobs SET lease_until = now() - interval '1 second' WHERE id = @id", jobId);

    /// <summary>
    /// Rescues the jobs of workers whose processes the test has seen end, as another worker does two seconds after it saw that (GoneWorkers): where none
    /// lives, whoever is started next would wait for the leader's term and for a lease.
    /// </summary>
    public Task BuryAsync() =>
        Eventually.TrueAsync(
            async _ =>
            {
                await ExecuteAsync("DELETE FROM leadership", Guid.Empty);
                await using var dead = Database.CreateCommand("SELECT id FROM workers WHERE stopped_at IS NULL");
                foreach (var worker in await dead.ReadIdsAsync(TestRun.Cancel))
                {
                    await Get<RescueJobs>().RunAsync(await Get<ReleaseLeases>().RunAsync(worker, TestRun.Cancel), TestRun.Cancel);
                }

                // What one of them sent as it died may come later.
                return await ScalarAsync<int>("SELECT count(*) FROM jobs WHERE status = 2") == 0;
            },
            "no job is held by the dead"
        );

    public async Task ExecuteAsync(string sql, Guid id)
    {
#pragma warning disable CA2100 // Constants of the tests.
        await using var command = Database.CreateCommand(sql);
#pragma warning restore CA2100
        command.Parameters.AddWithValue("id", id);
        // A hundred thousand rows take a busy machine longer than the product gives any statement; who has so many tells Postgres, too.
        command.CommandTimeout = 120;
        await command.ExecuteNonQueryAsync(TestRun.Cancel);
    }

    public async Task<T> ScalarAsync<T>(string sql, Guid? id = null)
    {
#pragma warning disable CA2100 // Constants of the tests.
        await using var command = Database.CreateCommand(sql);
#pragma warning restore CA2100
        command.Parameters.AddWithValue("id", id ?? Guid.Empty);
        return (T)Convert.ChangeType((await command.ExecuteScalarAsync(TestRun.Cancel))!, typeof(T), CultureInfo.InvariantCulture);
    }

    public async Task<JobStatus> StatusAsync(Guid jobId) =>
        (JobStatus)await ScalarAsync<short>("SELECT status FROM jobs WHERE id = @id", jobId);

    /// <summary>The whole log in order, as kinds and payloads.</summary>
    public async Task<IReadOnlyList<(int Seq, JobEventKind Kind, string Data)>> EventsAsync(Guid jobId)
    {
        var events = await Get<IJobEventLog>().ReadAllAsync(jobId);
        return [.. events.Select(record => (record.Seq, record.Kind, System.Text.Encoding.UTF8.GetString(record.Data.Span)))];
    }

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync(CancellationToken.None);
        await ((IAsyncDisposable)_host).DisposeAsync();
        await Database.DisposeAsync();
    }
}

/// <summary>One database and one Redis for a test class.</summary>
public abstract class CoreTests(PostgresServer postgres, RedisServer redis) : IAsyncLifetime
{
    protected TestDatabase Db { get; private set; } = null!;

    protected CoreHost Core { get; private set; } = null!;

    protected RedisServer RedisServer => redis;

    /// <summary>What this host is told beside its addresses.</summary>
    protected virtual IEnumerable<(string Key, string Value)> HostSettings => [];

    /// <summary>For tests that speak to Redis themselves: by default a command is given up that a busy machine holds up for two seconds.</summary>
    protected static IEnumerable<(string Key, string Value)> PatientRedis => [("Redis:Timeout", "00:00:20")];

    public virtual async ValueTask InitializeAsync()
    {
        Db = await postgres.CreateDatabaseAsync();
        Core = await CoreHost.StartAsync(Db.ConnectionString, redis.ConnectionString, settings: HostSettings);
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await Core.DisposeAsync();
        await Db.DisposeAsync();
        await redis.FlushAsync(CancellationToken.None);
    }
}
