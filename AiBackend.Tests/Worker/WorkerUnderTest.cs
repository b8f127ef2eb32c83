using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Admission;
using AiBackend.Core.Cache;
using AiBackend.Core.Controls;
using AiBackend.Core.Events;
using AiBackend.Core.Jobs;
using AiBackend.Core.Operations;
using AiBackend.Core.Privacy;
using AiBackend.Core.Providers;
using AiBackend.Core.Retention;
using AiBackend.Core.Routing;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Providers;
using AiBackend.Worker.Execution;
using AiBackend.Worker.Maintenance;
using AiBackend.Worker.Presence;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Worker;

/// <summary>Everything a worker process runs, in this process.</summary>
public static class WorkerUnderTest
{
    /// <param name="database">Where Postgres is.</param>
    /// <param name="redis">Where Redis is.</param>
    /// <param name="providers">Providers p0, p1, … in order, and the model each is asked for.</param>
    public static Task<CoreHost> StartAsync(TestDatabase database, RedisServer redis, params (Uri Address, string Model)[] providers) =>
        StartAsync(database, redis, providers, []);

    /// <inheritdoc cref="StartAsync(TestDatabase, RedisServer, ValueTuple{Uri, string}[])"/>
    public static Task<CoreHost> StartAsync(
        TestDatabase database,
        RedisServer redis,
        (Uri Address, string Model)[] providers,
        IEnumerable<(string Key, string Value)> settings
    ) => StartAsync(database.ConnectionString, redis.ConnectionString, providers, settings);

    /// <summary>With servers that are reached by another way, for example a proxy.</summary>
    /// <param name="database">Connection string of Postgres.</param>
    /// <param name="redis">Connection string of Redis.</param>
    /// <param name="providers">Providers p0, p1, … in order, and the model each is asked for.</param>
    /// <param name="settings">Configuration.</param>
    /// <param name="add">What the process has besides.</param>
    public static Task<CoreHost> StartAsync(
        string database,
        string redis,
        (Uri Address, string Model)[] providers,
        IEnumerable<(string Key, string Value)> settings,
        Action<IHostApplicationBuilder>? add = null
    ) =>
        CoreHost.StartAsync(
            database,
            redis,
            builder =>
            {
                builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(1));
                builder.AddAdmission();
                builder.AddRouting();
                builder.AddHeldProviders();
                builder.AddProviders();
                builder.AddSharedAnswers();
                builder.AddQueueGauges();
                builder.AddRetention();
                builder.AddPrivacyMaintenance();
                builder.AddMaintenance();
                builder.AddPresence();
                builder.AddJobExecution();
                add?.Invoke(builder);
            },
            [
                .. ProviderHost
                    .Entries(providers.Select(provider => provider.Address), index => providers[index].Model)
                    .Select(variable => (Key: variable.Key.Replace("__", ":", StringComparison.Ordinal), Value: variable.Value!))
                    .ExceptBy(settings.Select(setting => setting.Key), variable => variable.Key),
                .. settings,
            ]
        );

    /// <summary>Has what is given back at the end written down however long that takes; its jobs have as little time to end as elsewhere.</summary>
    internal static void StopPatiently(IHostApplicationBuilder builder)
    {
        var brief = Options.Create(new HostOptions { ShutdownTimeout = TimeSpan.FromSeconds(1) });
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromMinutes(1));
        builder.Services.AddSingleton(services => new WorkerDrain(
            services.GetRequiredService<IHostApplicationLifetime>(),
            brief,
            services.GetRequiredService<TimeProvider>()
        ));
    }

    /// <summary>Waits without the waits between attempts.</summary>
    public static Task UntilAsync(this CoreHost worker, Func<Task<bool>> condition, string what) =>
        Eventually.TrueAsync(
            async _ =>
            {
                if (await condition())
                {
                    return true;
                }

                await worker.ExecuteAsync("UPDATE jobs SET due_at = now() WHERE status = 5", Guid.Empty);
                return false;
            },
            what,
            TimeSpan.FromSeconds(60)
        );

    /// <summary>Submits a job, waits for its end, and reads it.</summary>
    public static async Task<Job> RunJobAsync(this CoreHost worker, JobDraft draft)
    {
        await worker.SubmitAsync(draft);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        // A slow machine's, with a program to start for its tools and hundreds of calls.
        patience.CancelAfter(TimeSpan.FromMinutes(2));
        await foreach (var _ in worker.Get<JobEventReader>().WatchAsync(draft.Id, 0, patience.Token))
        {
            // Ends with the job.
        }

        return (await worker.Reads.FindAsync(draft.Id, TestRun.Cancel))!;
    }
}
