using System.Globalization;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;

namespace AiBackend.Tests.Simulation;

/// <summary>One seed: a small system, a handful of jobs, half a minute of trouble, then peace until everything has ended.</summary>
internal sealed class SimulatedRun
{
    private static readonly TimeSpan Trouble = TimeSpan.FromSeconds(25);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(8);

    private readonly List<SimWorker> _workers = [];
    private readonly List<SimApi> _apis = [];
    private readonly List<SimClient> _clients = [];
    private readonly SimProcess _people;
    private SimWorker? _quarantine;
    private int _started;

    private SimulatedRun(World world)
    {
        World = world;
        _people = new SimProcess(world.Schedule, "people");
    }

    public World World { get; }

    public IReadOnlyList<SimClient> Clients => _clients;

    private Schedule Schedule => World.Schedule;

    /// <param name="seed">Decides everything.</param>
    /// <param name="system">What it is played on.</param>
    /// <param name="trace">Takes what happened, line by line; null when nobody asks.</param>
    public static SimulatedRun Play(int seed, SimulatedSystem system, List<string>? trace = null)
    {
        var world = new World(new Schedule(seed), system) { Trace = trace };
        var run = new SimulatedRun(world);
        run.Play(system.Disturbances ?? world.Schedule.Random.Next(2, 7));
        return run;
    }

    private void Play(int disturbances)
    {
        for (var i = Schedule.Random.Next(2, 4); i > 0; i--)
        {
            StartWorker();
        }

        StartApi();
        StartApi();
        StartQuarantine();
        for (var i = Schedule.Random.Next(3, 6); i > 0; i--)
        {
            AddJob(i);
        }

        for (var i = 0; i < disturbances; i++)
        {
            World.After(Schedule.Between(0.2, Trouble.TotalSeconds - 1), Disturb);
        }

        World.After(Trouble, EndTrouble);
        Schedule.Run(IsOver, Schedule.Start + Patience);
        // What is still on its way arrives: late statements must change nothing.
        Schedule.Run(() => World.Referee.Violations.Count > 0, World.Now + TimeSpan.FromSeconds(15));
        if (Schedule.Broken is { } reason)
        {
            World.Referee.Violate("schedule", reason);
        }
        else if (World.Referee.Violations.Count == 0)
        {
            Verdict.Pass(this);
        }

        Schedule.End();
        World.Telemetry.Dispose();
    }

    private bool IsOver() => World.Referee.Violations.Count > 0 || HasQuieted();

    private bool HasQuieted() =>
        !World.FaultsOn && _clients.TrueForAll(client => client.IsDone) && World.Referee.Jobs.Values.All(job => job.HasEnded);

    private void AddJob(int number)
    {
        var random = Schedule.Random;
        var key = Schedule.Chance(0.75) ? string.Create(CultureInfo.InvariantCulture, $"key-{number}") : null;
        var request = new JobDraft
        {
            Id = Guid.Empty,
            TenantId = ApiKeyStore.DefaultTenant,
            Type = JobType.Chat,
            Priority = (JobPriority)random.Next(3),
            Model = "default",
            MaxAttempts = random.Next(1, 5),
            NotBefore = Schedule.Chance(0.15) ? Schedule.Start + Schedule.Between(0, 10) : null,
            Deadline = Schedule.Chance(0.15) ? Schedule.Start + Schedule.Between(5, 60) : null,
            Input = "",
            IdempotencyKey = key,
            Fingerprint = key is null ? null : [(byte)number],
        };
        var begin = Schedule.Between(0, 12);
        AddClient(request, $"client {number}", begin, Schedule.Chance(0.3) ? Schedule.Between(0, 15) : null);
        if (key is not null && Schedule.Chance(0.4))
        {
            AddClient(request, $"twin of client {number}", Schedule.Chance(0.5) ? begin : begin + Schedule.Between(0, 10), null);
        }

        if (key is not null && Schedule.Chance(0.15))
        {
            AddClient(request with { Fingerprint = [(byte)number, 1] }, $"rival of client {number}", begin + Schedule.Between(0, 3), null);
        }
    }

    private void AddClient(JobDraft request, string name, TimeSpan begin, TimeSpan? cancelAfter)
    {
        var client = new SimClient(World, _people, () => _apis[Schedule.Random.Next(_apis.Count)], request, name);
        _clients.Add(client);
        client.Start(begin, cancelAfter);
    }

    private void Disturb()
    {
        if (!World.FaultsOn)
        {
            return;
        }

        switch (Schedule.Random.Next(12))
        {
            case < 4:
                World.Kill((_quarantine is { Holds: > 0 } ? _quarantine : _workers[Schedule.Random.Next(_workers.Count)]).Process);
                break;
            case 4:
                World.Kill(_apis[Schedule.Random.Next(_apis.Count)].Process);
                break;
            case 5 or 6:
                // Rather one that has something to lose.
                var candidates = _workers.Where(worker => worker.Holds > 0).DefaultIfEmpty(_workers[0]).ToList();
                Freeze(candidates[Schedule.Random.Next(candidates.Count)].Process, Schedule.Between(6, 24));
                break;
            case 7:
                Freeze(_apis[Schedule.Random.Next(_apis.Count)].Process, Schedule.Between(1, 12));
                break;
            case 8:
                World.Redis.Wipe();
                World.Redis.Duplicate();
                break;
            case 9:
                World.Redis.Duplicate();
                World.Redis.IsDown = true;
                World.After(Schedule.Between(0.5, 6), () => World.Redis.IsDown = false);
                break;
            case 10:
                World.PostgresDown = true;
                World.After(Schedule.Between(0.5, 5), () => World.PostgresDown = false);
                break;
            default:
                _workers[Schedule.Random.Next(_workers.Count)].Drain();
                break;
        }
    }

    private void Freeze(SimProcess process, TimeSpan time)
    {
        if (process.IsFrozen || process.IsDead)
        {
            return;
        }

        World.Note($"{process.Name} freezes for {time.TotalSeconds} s");
        process.Freeze();
        World.After(time, () => Thaw(process));
    }

    private void Thaw(SimProcess process)
    {
        if (process.IsFrozen)
        {
            World.Note($"{process.Name} thaws");
            World.Sometimes("a frozen process went on");
            process.Thaw();
        }
    }

    private void EndTrouble()
    {
        World.Note("trouble is over");
        World.FaultsOn = false;
        World.Redis.IsDown = false;
        World.PostgresDown = false;
        foreach (var process in _workers.Select(worker => worker.Process).Concat(_apis.Select(api => api.Process)))
        {
            Thaw(process);
        }
    }

    private void StartWorker()
    {
        var worker = new SimWorker(World, $"worker {++_started}");
        _workers.Add(worker);
        worker.Process.OnDeath(() => Replace(() => _workers.Remove(worker), StartWorker));
    }

    private void StartQuarantine()
    {
        _quarantine = new SimWorker(World, $"quarantine {++_started}", isQuarantine: true);
        _quarantine.Process.OnDeath(() => Replace(() => { }, StartQuarantine));
    }

    private void StartApi()
    {
        var api = new SimApi(World, $"api {++_started}");
        _apis.Add(api);
        api.Process.OnDeath(() => Replace(() => _apis.Remove(api), StartApi));
    }

    /// <summary>Whoever supervises processes starts a new one after a while; until then callers still find the dead one's address.</summary>
    private void Replace(Action forget, Action start) =>
        World.After(
            Schedule.Between(0.1, 3),
            () =>
            {
                forget();
                start();
            }
        );
}
