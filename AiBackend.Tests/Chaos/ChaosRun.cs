using AiBackend.Core.Jobs;
using AiBackend.Tests.Chaos.Invariants;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;
using Npgsql;

namespace AiBackend.Tests.Chaos;

/// <summary>A load on a running stack, whatever is done to it meanwhile, and the verdict when all is quiet again.</summary>
internal sealed class ChaosRun : IAsyncDisposable
{
    private const int Tried = 50;

    private readonly Stack _stack;
    private readonly History _history;
    private readonly ChaosClient _client;
    private readonly CallWatch _calls;
    private readonly NpgsqlDataSource _database;
    private readonly string _folder;
    private readonly string[] _models;
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource _quiet = new();
    private readonly CancellationTokenSource _abandon = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
    private readonly Task _load;
    private readonly Task _watching;

    private ChaosRun(Stack stack, IReadOnlyList<Lesson> lessons, int perSecond, int readers)
    {
        _stack = stack;
        _folder = TestFolder.Create("chaos");
        _history = new(Path.Combine(_folder, "history.jsonl"));
        _client = new(stack.ApiAddress, stack.Key, _history);
        _calls = new(stack);
        _database = NpgsqlDataSource.Create(stack.Postgres);
        _models = [.. lessons.Select(lesson => lesson.Model)];
        Tormentor = new(stack, _history);
        _load = new ChaosLoad(_client, lessons, perSecond, readers).RunAsync(_stop.Token, _abandon.Token);
        _watching = _calls.RunAsync(_quiet.Token);
    }

    public Tormentor Tormentor { get; }

    public History History => _history;

    public static async Task<ChaosRun> StartAsync(Stack stack, int perSecond = 20, int readers = 50)
    {
        var teacher = new JobClient(stack);
        List<Lesson> lessons = [];
        foreach (var (words, interval) in ((int, int)[])[(10, 10), (10, 20), (40, 20), (120, 20)])
        {
            lessons.Add(new(await teacher.TeachWordsAsync(words, interval, firstMs: 100), words));
        }

        return new(stack, lessons, perSecond, readers);
    }

    /// <summary>Jobs that have ended well so far.</summary>
    public async Task<long> EndedWellAsync()
    {
        await using var command = _database.CreateCommand("SELECT count(*) FROM jobs WHERE model = ANY (@models) AND status IN (6, 7)");
        command.Parameters.AddWithValue("models", _models);
        return (long)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }

    /// <summary>Waits until more jobs have ended well: a fault that nobody worked through proves nothing.</summary>
    public async Task UntilMoreEndedAsync(int more)
    {
        var goal = await EndedWellAsync() + more;
        await Eventually.TrueAsync(async _ => await EndedWellAsync() >= goal, "jobs go on ending", TimeSpan.FromSeconds(90));
    }

    /// <summary>Ends the load, waits until every job and every caller is done, and checks.</summary>
    public async Task<IReadOnlyList<Finding>> EndAsync(TimeSpan patience)
    {
        await _stop.CancelAsync();
        _abandon.CancelAfter(patience);
        try
        {
            await _load;
        }
        catch (OperationCanceledException) when (!TestRun.Cancel.IsCancellationRequested)
        {
            Assert.Fail($"Callers still waited {patience} after the load had ended; the history is in {Keep()}.");
        }

        await Eventually.TrueAsync(async _ => await OpenAsync() == 0, "every job has ended", patience);
        await _quiet.CancelAsync();
        await _watching;
        await _calls.LookAsync(TestRun.Cancel);
        return Checker.Check(await CollectAsync());
    }

    /// <summary>Tells the verdict, and fails with it when anything was violated; the history then stays.</summary>
    public void AssertNothingIsViolated(IReadOnlyList<Finding> findings, params (string, string)[] facts)
    {
        var name = TestContext.Current.TestMethod!.MethodName;
        var verdict =
            $"{name}\n{Checker.Table(findings, [.. facts, .. Tormentor.Kills.Select(kill => ($"{kill.Key} killed", $"{kill.Value}"))])}";
        TestContext.Current.TestOutputHelper?.WriteLine(verdict);
        if (TestRun.VerdictFolder is { } folder)
        {
            File.WriteAllText(Path.Combine(folder, name), verdict);
        }

        Assert.True(findings.All(finding => finding.Violations.Count == 0), $"{verdict}\nThe history is in {Keep()}.");
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _abandon.CancelAsync();
        await _quiet.CancelAsync();
        await Task.WhenAll(_load, _watching).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _client.Dispose();
        _history.Dispose();
        await _database.DisposeAsync();
        _stop.Dispose();
        _abandon.Dispose();
        _quiet.Dispose();
        TestFolder.Remove(_folder);
    }

    private async Task<Evidence> CollectAsync()
    {
        var state = new FinalState(_database, _models);
        var jobs = await state.ReadAsync(TestRun.Cancel);
        var tried = jobs.Where(job => job.Status.IsTerminal()).Take(Tried).ToList();
        return new()
        {
            History = _history.Entries,
            Jobs = jobs,
            Calls = _calls.Calls,
            Tried = tried.Count,
            Changed = await state.TryToChangeAsync(tried, TestRun.Cancel),
        };
    }

    private async Task<long> OpenAsync()
    {
        await using var command = _database.CreateCommand("SELECT count(*) FROM jobs WHERE model = ANY (@models) AND status < 6");
        command.Parameters.AddWithValue("models", _models);
        return (long)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }

    private string Keep()
    {
        var kept = Path.Combine(Path.GetTempPath(), $"aibackend-history-{Guid.CreateVersion7():N}.jsonl");
        File.Copy(_history.File, kept);
        return kept;
    }
}
