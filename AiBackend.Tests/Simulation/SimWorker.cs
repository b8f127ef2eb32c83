using System.Diagnostics.Metrics;
using System.Reflection;
using AiBackend.Core.Cache;
using AiBackend.Core.Contracts;
using AiBackend.Core.Conversations;
using AiBackend.Core.Database;
using AiBackend.Core.Events;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Admission;
using AiBackend.Core.Providers.Catalog;
using AiBackend.Core.Providers.Circuits;
using AiBackend.Core.Providers.Configuration;
using AiBackend.Core.Queue;
using AiBackend.Core.Queue.Allocation;
using AiBackend.Core.Queue.Outlook;
using AiBackend.Core.Redis;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tools;
using AiBackend.Worker.Execution;
using AiBackend.Worker.Execution.Chat;
using AiBackend.Worker.Execution.Tools;
using AiBackend.Worker.Execution.Workflows;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;

namespace AiBackend.Tests.Simulation;

/// <summary>A worker process: the product's intake, leases, attempts and maintenance on one simulated process.</summary>
internal sealed class SimWorker
{
    private static readonly MethodInfo ExecuteAsync = typeof(BackgroundService).GetMethod(
        "ExecuteAsync",
        BindingFlags.Instance | BindingFlags.NonPublic
    )!;

    private static NpgsqlDataSource Nobody => NpgsqlDataSource.Create("Host=nobody");

    // No job of a run shares its answer, so nobody is ever asked.
    private static readonly SharedAnswers Unshared = new(
        Nobody,
        Nobody,
        Options.Create(new CacheOptions()),
        NullLogger<SharedAnswers>.Instance
    );

    // And no job leaves its model to us.
    private static readonly ModelChoice Named = new(Nobody, TimeProvider.System);

    // Or waits for a provider's limit.
    private static readonly LimitOutlook Unlimited = new(Nobody, new QueueTiers(Options.Create(new QueueOptions())), TimeProvider.System);

    // No job continues a conversation.
    private static readonly ConversationTurns Alone = new(Nobody, Nobody, Nobody);

    private readonly World _world;
    private readonly ApplicationLifetime _lifetime = new(NullLogger<ApplicationLifetime>.Instance);
    private readonly CancellationTokenSource _stopKeeper = new();
    private readonly bool _isQuarantine;
    private LeasedWrites? _writes;
    private HeldLeases? _held;
    private Task _intake = Task.CompletedTask;
    private Task _keeper = Task.CompletedTask;

    /// <param name="world">The run.</param>
    /// <param name="name">For traces.</param>
    /// <param name="isQuarantine">Whether it takes only jobs that must run alone, one at a time, as a process of its own.</param>
    public SimWorker(World world, string name, bool isQuarantine = false)
    {
        _world = world;
        _isQuarantine = isQuarantine;
        Process = new SimProcess(world.Schedule, name);
        Process.Do(Begin);
    }

    public SimProcess Process { get; }

    /// <summary>Jobs it believes to run.</summary>
    public int Holds => _held?.Snapshot().Count ?? 0;

    /// <summary>What every process of the simulation has at its edges.</summary>
    public static Parts PartsOf(World world, SimProcess process)
    {
        var store = world.System.Edge(world, process);
        var redis = new UnreliableRedis(world, process);
        var parts = new Parts()
            .With<IJobStore>(store)
            .With<IQueuedJobs>(store)
            .With<IJobEventLog>(store)
            .With<IReadyQueue>(redis)
            .With<IRedisChannels>(redis)
            .With(process.Clock)
            .With(Telemetry.Jobs)
            .With<IStorageWatch>(new ReachableStorage())
            .With(SealOf(world, process))
            .With(new Random(world.Schedule.Random.Next()));
        return parts.With<IJobSignals>(parts.Get<JobSignals>());
    }

    /// <summary>What messages end with: all processes know the same key.</summary>
    public static MessageSeal SealOf(World world, SimProcess process) =>
        new(
            SimMessages.Store,
            new ForgedMessages(world.Telemetry, SimMessages.Store, process.Clock, NullLogger<ForgedMessages>.Instance),
            process.Clock
        );

    /// <summary>Starts a hosted service of the product on the current process; its host would start it in the thread pool.</summary>
    public static Task Execute(BackgroundService service, CancellationToken stop) => (Task)ExecuteAsync.Invoke(service, [stop])!;

    /// <summary>As SIGTERM.</summary>
    public void Drain()
    {
        _world.Note($"{Process.Name} drains");
        Process.Do(() => _ = DrainAsync());
    }

    private void Begin()
    {
        var parts = PartsOf(_world, Process)
            .With(new WorkerIdentity { Id = NewId(_world.Schedule.Random) })
            .Options(new WorkerOptions { MaxConcurrentJobs = 3, PollInterval = TimeSpan.FromSeconds(2) })
            .Options(new HostOptions { ShutdownTimeout = TimeSpan.FromSeconds(1) })
            .With<IHostApplicationLifetime>(_lifetime)
            .With<ICallGate>(new OpenGate())
            .With(Unshared)
            .With(Named)
            .With(Unlimited)
            .With<IMeterFactory>(_world.Telemetry)
            .With<ICallPace>(new NoPace())
            .With<IProbeTurns>(new OwnProbeTurns())
            .With<ICatalogSource>(new ConfigurationOnly())
            .With<ICallPrices>(new NoPrices())
            .With<IKeyGrants>(new GoodKeys())
            .With(Provider());
        parts
            .With(parts.Get<ProviderCatalog>())
            .With(_world.Telemetry.Providers)
            .With(new OutputContracts([]))
            .With(Alone)
            .With(new TurnContext(null!, null!, null!, null!))
            .With(new CompactionJobs(null!, null!, null!, null!))
            .With(new WorkflowAttempt(null!, null!, null!, null!, null!, Process.Clock))
            .With(new ReviewRemarks(null!))
            // No job of the simulation names tools.
            .With(
                new JobTools(
                    null!,
                    null!,
                    null!,
                    null!,
                    null!,
                    Options.Create(new ToolsOptions()),
                    Options.Create(new ReviewOptions()),
                    Telemetry.Jobs,
                    Process.Clock
                )
            );
        _writes = parts.Get<LeasedWrites>();
        _held = parts.Get<HeldLeases>();
        _keeper = Execute(parts.Get<LeaseKeeper>(), _stopKeeper.Token);
        _ = Execute(parts.Get<CancelWatch>(), _stopKeeper.Token);
        if (_isQuarantine)
        {
            _ = RepeatAsync(2.5, _ => RunSuspectAsync(parts));
            return;
        }

        _intake = Execute(parts.Get<JobIntake>(), CancellationToken.None);
        var (dispatch, advance, rescue) = (parts.Get<DispatchBacklog>(), parts.Get<AdvanceDueJobs>(), parts.Get<RescueJobs>());
        _ = RepeatAsync(1.5, dispatch.RunAsync);
        _ = RepeatAsync(2.0, advance.RunAsync);
        _ = RepeatAsync(2.0, rescue.RunAsync);
        _ = RepeatAsync(
            20,
            async _ =>
            {
                await parts.Get<DropStaleEntries>().RunAsync(TimeSpan.FromMinutes(1), CancellationToken.None);
                return 0;
            }
        );
    }

    private static async Task<bool> RunSuspectAsync(Parts parts)
    {
        foreach (var id in await ((UnreliableStore)parts.Get<IQueuedJobs>()).FindSuspectsAsync(CancellationToken.None))
        {
            var sentAt = parts.Get<TimeProvider>().GetTimestamp();
            var lease = new WorkerOptions().LeaseDuration;
            if (await parts.Get<ClaimJobs>().RunAloneAsync(parts.Get<WorkerIdentity>().Id, id, lease, CancellationToken.None) is { } job)
            {
                await parts.Get<JobRunner>().RunAsync(job, sentAt, CancellationToken.None);
                break;
            }
        }

        return true;
    }

    private ProviderCatalog Provider() =>
        new(
            [
                new ProviderOptions
                {
                    Name = "scripted",
                    BaseUrl = new Uri("http://localhost"),
                    Model = "default",
                    Models = ["default"],
                },
            ],
            options => new StreamTimeouts(
                new ScriptedProvider(_world, Process),
                options.Name,
                new ProviderTimeouts { FirstToken = TimeSpan.FromSeconds(10), Idle = TimeSpan.FromSeconds(8) },
                Process.Clock
            ),
            NullLogger<ProviderCatalog>.Instance
        );

    /// <summary>Every worker does what in the product only the leader does: each of these tasks must stand two that run it.</summary>
    private async Task RepeatAsync<T>(double seconds, Func<CancellationToken, Task<T>> round)
    {
        while (!_lifetime.ApplicationStopping.IsCancellationRequested)
        {
            await Task.Delay(_world.Schedule.Between(seconds * 0.5, seconds * 1.5), Process.Clock, CancellationToken.None);
            try
            {
                await round(_lifetime.ApplicationStopping);
            }
            catch (Exception failure) when (failure is not NullReferenceException)
            {
                // The product logs it, and the next round follows.
                _world.Note($"{Process.Name} maintenance: {failure.GetType().Name}");
            }
        }
    }

    private async Task DrainAsync()
    {
#pragma warning disable MA0042 // CancelAsync would go through the thread pool, off the simulated thread.
        _lifetime.StopApplication();
        await _intake;
        _stopKeeper.Cancel();
#pragma warning restore MA0042
        await _keeper;
        await _writes!.DisposeAsync();
        _world.Note($"{Process.Name} has stopped");
        _world.Sometimes("a worker drained and stopped");
        Process.Kill();
    }

    public static Guid NewId(Random random)
    {
        var bytes = new byte[16];
        random.NextBytes(bytes);
        return new Guid(bytes);
    }

    private sealed class SimMessages : IMessageStore
    {
        public static readonly SimMessages Store = new();

        public Task<byte[]> ReadKeyAsync(CancellationToken cancellationToken) => Task.FromResult(new byte[32]);

        public Task NoteForgedAsync(string channel, long messages, CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
