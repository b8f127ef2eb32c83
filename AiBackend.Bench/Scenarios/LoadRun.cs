using AiBackend.Bench.Load;
using AiBackend.Bench.Reporting;
using AiBackend.Bench.Stack;

namespace AiBackend.Bench.Scenarios;

/// <summary>A stack under a <see cref="JobMix"/>: sends phases of load, and reads afterwards what became of their jobs.</summary>
internal sealed class LoadRun : IAsyncDisposable
{
    private static readonly string[] Ours = ["api", BenchStack.WorkerName];

    private readonly BenchStack _stack;
    private readonly IReadOnlyList<int> _processes;
    private readonly CancellationTokenSource _over = new();
    private readonly Task _watching;

    private LoadRun(BenchStack stack)
    {
        _stack = stack;
        _processes = Processes();
        _watching = WatchAsync(_over.Token);
    }

    /// <summary>The longest that any job that could start had waited, at any moment, in seconds.</summary>
    public double OldestWait { get; private set; }

    public List<PacedAnswer> Answers { get; } = [];

    public static async Task<LoadRun> StartAsync(BenchOptions options, int slots, long maxQueued, CancellationToken cancellationToken)
    {
        var settings = new StackSettings(Workers: 2, Slots: slots / 2)
        {
            ApiVariables = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["Backpressure__MaxQueued"] = maxQueued.ToString(System.Globalization.CultureInfo.InvariantCulture),
            },
        };
        var run = new LoadRun(await BenchStack.StartAsync(options, settings, cancellationToken));
        // Compiles what is measured.
        await run.SendAsync(new JobMix(longest: 0.3, speed: 1), JobMix.Expected, TimeSpan.FromSeconds(4), cancellationToken);
        await run._stack.AnalyzeAsync(cancellationToken);
        return run;
    }

    /// <summary>One phase of a constant rate.</summary>
    public async Task<LoadPhase> SendAsync(JobMix mix, double perSecond, TimeSpan length, CancellationToken cancellationToken)
    {
        var begin = TimeProvider.System.GetUtcNow();
        var answers = await PacedLoad.SendAsync(_stack.Api, _stack.Key, mix.Arrivals(perSecond, length), cancellationToken);
        Answers.AddRange(answers);
        return new LoadPhase(begin, length, answers);
    }

    /// <summary>What <see cref="LoadPhase"/> cannot know before the jobs have ended.</summary>
    public async Task WaitForEndAsync(TimeSpan patience, CancellationToken cancellationToken) =>
        await _stack.WaitUntilAsync(
            "SELECT count(*) FROM jobs WHERE status >= 6",
            Answers.Count(answer => answer.Id is not null),
            patience,
            cancellationToken
        );

    /// <summary>Jobs that wait for a slot now.</summary>
    public Task<long> CountWaitingAsync(CancellationToken cancellationToken) =>
        _stack.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE status = 1", cancellationToken);

    /// <summary>Milliseconds from the acceptance of a job to its end; fast jobs only.</summary>
    public async Task<List<double>> EndToEndAsync(LoadPhase phase, CancellationToken cancellationToken) =>
        await ReadAsync(
            $"SELECT extract(epoch FROM j.finished_at - j.created_at)::float8 * 1000 FROM jobs j JOIN job_payloads p ON p.job_id = j.id WHERE p.feature = '{JobMix.Fast}' AND j.created_at BETWEEN @begin AND @end",
            phase.Begin,
            phase.Begin + phase.Length,
            cancellationToken
        );

    /// <summary>Slots that ran jobs which were done, on the average.</summary>
    public async Task<double> BusyAsync(LoadPhase phase, CancellationToken cancellationToken)
    {
        var seconds = await ReadAsync(
            "SELECT extract(epoch FROM least(finished_at, @end) - greatest(started_at, @begin))::float8 FROM jobs WHERE status = 6 AND started_at < @end AND finished_at > @begin",
            phase.Begin,
            phase.Begin + phase.Length,
            cancellationToken
        );
        return seconds.Sum() / phase.Length.TotalSeconds;
    }

    /// <summary>When the last job that waited for longer than this was accepted, in seconds since the phase began; 0 when none did, and without end when they still did in the end.</summary>
    public async Task<double> LastLateAsync(LoadPhase phase, TimeSpan wait, CancellationToken cancellationToken)
    {
        var late = await ReadAsync(
            $"SELECT extract(epoch FROM created_at - @begin)::float8 FROM jobs WHERE created_at BETWEEN @begin AND @end AND extract(epoch FROM started_at - created_at) > {wait.TotalSeconds.ToString(System.Globalization.CultureInfo.InvariantCulture)}",
            phase.Begin,
            phase.Begin + phase.Length,
            cancellationToken
        );
        var last = late.DefaultIfEmpty(0).Max();
        return last < 0.9 * phase.Length.TotalSeconds ? last : double.PositiveInfinity;
    }

    /// <summary>Milliseconds that jobs of a phase waited for their start.</summary>
    public Task<List<double>> WaitsAsync(LoadPhase phase, CancellationToken cancellationToken) =>
        ReadAsync(
            "SELECT extract(epoch FROM started_at - created_at)::float8 * 1000 FROM jobs WHERE created_at BETWEEN @begin AND @end AND started_at IS NOT NULL",
            phase.Begin,
            phase.Begin + phase.Length,
            cancellationToken
        );

    /// <summary>What holds in every form: nothing lost, nothing done twice, refusals said so, and nobody died.</summary>
    public async Task<IReadOnlyList<Measurement>> DescribeAsync(CancellationToken cancellationToken)
    {
        var stored = await _stack.ScalarAsync<long>("SELECT count(*) FROM jobs", cancellationToken);
        var accepted = Answers.Count(answer => answer.Id is not null);
        return
        [
            new("aibackend", "accepted", "jobs", accepted),
            new("aibackend", "refused with code and Retry-After", "requests", Answers.Count(answer => answer.Refusal is not null)),
            new("aibackend", "neither accepted nor refused so", "requests", Answers.Count(IsOther)) { AtMost = 0 },
            new("aibackend", "accepted and not stored, or the other way round", "jobs", Math.Abs(stored - accepted)) { AtMost = 0 },
            new("aibackend", "wrong", "jobs", await _stack.ScalarAsync<long>(Backlog.WrongSql, cancellationToken)) { AtMost = 0 },
            new("aibackend", "processes that died", "", _processes.Except(Processes()).Count()) { AtMost = 0 },
            new("aibackend", "worker and Api, resident", "MiB", Ours.Sum(name => _stack.UsageOf(name).ResidentMegabytes)),
        ];

        static bool IsOther(PacedAnswer answer) => answer.Id is null && (answer.Refusal is null || answer.Status is not (429 or 503));
    }

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        await _watching;
        _over.Dispose();
        await _stack.DisposeAsync();
    }

    private List<int> Processes() => [.. Ours.SelectMany(_stack.ProcessIdsOf)];

    private async Task WatchAsync(CancellationToken stop)
    {
        const string Sql = "SELECT coalesce(extract(epoch FROM max(now() - due_at)), 0)::float8 FROM jobs WHERE status = 1";
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1));
        try
        {
            while (await timer.WaitForNextTickAsync(stop))
            {
                OldestWait = Math.Max(OldestWait, await _stack.ScalarAsync<double>(Sql, stop));
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The run is over.
        }
    }

    private async Task<List<double>> ReadAsync(string sql, DateTimeOffset begin, DateTimeOffset end, CancellationToken cancellationToken)
    {
#pragma warning disable CA2100 // Constants of this class.
        await using var command = _stack.Database.CreateCommand(sql);
#pragma warning restore CA2100
        command.Parameters.AddWithValue("begin", begin);
        command.Parameters.AddWithValue("end", end);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var values = new List<double>();
        while (await reader.ReadAsync(cancellationToken))
        {
            values.Add(reader.GetDouble(0));
        }

        values.Sort();
        return values;
    }
}

/// <summary>A phase of a constant rate.</summary>
/// <param name="Begin">When it began.</param>
/// <param name="Length">How long it was.</param>
/// <param name="Answers">What its requests were told.</param>
internal sealed record LoadPhase(DateTimeOffset Begin, TimeSpan Length, IReadOnlyList<PacedAnswer> Answers)
{
    /// <summary>Milliseconds from when a request was due to its answer, of those that were accepted.</summary>
    public List<double> Acknowledged =>
        [.. Answers.Where(answer => answer.Id is not null).Select(answer => answer.Answered.TotalMilliseconds).Order()];
}
