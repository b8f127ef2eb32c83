using System.Globalization;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Simulation;

/// <summary>P-5: whatever requests arrive together under whatever keys, each key makes one job and everybody is told of that one.</summary>
public sealed class SubmissionModelTests(PostgresServer postgres)
{
    [Fact]
    public void P_5_concurrent_submissions_converge_to_one_job_a_key_in_memory()
    {
        for (var seed = 1; seed <= 300; seed++)
        {
            Play(seed, Simulations.InMemory);
        }
    }

    [Fact]
    public async Task P_5_concurrent_submissions_converge_to_one_job_a_key_on_Postgres()
    {
        await using var backend = await PostgresBackend.StartAsync(postgres);
        for (var seed = 1; seed <= 30; seed++)
        {
            Play(seed, backend.System());
        }
    }

    private static void Play(int seed, SimulatedSystem system)
    {
        var schedule = new Schedule(seed);
        var world = new World(schedule, system);
        var people = new SimProcess(schedule, "people");
        var apis = new SimApi[2];
        Start(0);
        Start(1);
        var requests = Enumerable
            .Range(0, schedule.Random.Next(5, 40))
            .Select(_ => new Request(Key: schedule.Random.Next(3), Body: schedule.Random.Next(2), schedule.Between(0, 0.3)))
            .ToList();
        foreach (var request in requests)
        {
            people.Do(() => _ = SubmitAsync(world, people, apis, request));
        }

        schedule.Run(() => requests.TrueForAll(request => request.Outcome is not null), Schedule.Start + TimeSpan.FromMinutes(5));

        var stored = world.Backend.Dump().Select(job => job.Id).ToHashSet();
        schedule.End();
        Assert.Null(schedule.Broken);
        Assert.Empty(world.Referee.Violations);
        foreach (var sameKey in requests.GroupBy(request => request.Key))
        {
            var id = Assert.Single(sameKey.Select(request => request.JobId).Distinct());
            Assert.NotNull(id);
            Assert.True(stored.Remove(id.Value), $"Seed {seed}: the job of key {sameKey.Key} is not stored.");
            var winner = Assert.Single(
                sameKey.Where(request => request.Outcome is not SubmitOutcome.KeyReused).Select(request => request.Body).Distinct()
            );
            Assert.All(sameKey, request => Assert.Equal(request.Body != winner, request.Outcome is SubmitOutcome.KeyReused));
        }

        Assert.Empty(stored);

        void Start(int index)
        {
            apis[index] = new SimApi(world, "api");
            apis[index].Process.OnDeath(() => world.After(TimeSpan.FromSeconds(1), () => Start(index)));
        }
    }

    private static async Task SubmitAsync(World world, SimProcess people, SimApi[] apis, Request request)
    {
        await Task.Delay(request.At, people.Clock, CancellationToken.None);
        while (request.Outcome is null)
        {
            var draft = new JobDraft
            {
                Id = SimWorker.NewId(world.Schedule.Random),
                TenantId = ApiKeyStore.DefaultTenant,
                Type = JobType.Noop,
                Priority = JobPriority.Standard,
                Model = "default",
                MaxAttempts = 1,
                Input = "{}",
                IdempotencyKey = request.Key.ToString(CultureInfo.InvariantCulture),
                Fingerprint = [(byte)request.Body],
            };
            try
            {
                request.Outcome = await apis[world.Schedule.Random.Next(2)].SubmitAsync(draft);
                request.JobId = request.Outcome switch
                {
                    SubmitOutcome.Replayed(var earlier) => earlier,
                    SubmitOutcome.KeyReused(var earlier) => earlier,
                    _ => draft.Id,
                };
            }
            catch (Exception failure) when (failure is ConnectionBrokenException or Npgsql.NpgsqlException)
            {
                await Task.Delay(world.Schedule.Between(0.01, 0.5), people.Clock, CancellationToken.None);
                if (world.Now > Schedule.Start.AddSeconds(20))
                {
                    world.FaultsOn = false;
                }
            }
        }
    }

    private sealed record Request(int Key, int Body, TimeSpan At)
    {
        public SubmitOutcome? Outcome { get; set; }

        public Guid? JobId { get; set; }
    }
}
