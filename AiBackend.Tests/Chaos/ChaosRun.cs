using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;
using AiBackend.Tests.Chaos.Invariants;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Web.Browser;
using Npgsql;

namespace AiBackend.Tests.Chaos;

/// <summary>A load on a running stack, whatever is done to it meanwhile, and the verdict when all is quiet again.</summary>
internal sealed class ChaosRun : IAsyncDisposable
{
    private const int Tried = 50;

    private const string Well = "SELECT count(*) FROM jobs WHERE model = ANY (@models) AND status IN (6, 7)";
    private const string Open = "SELECT count(*) FROM jobs WHERE model = ANY (@models) AND status < 6";

    private const string OpenOnes = """
        SELECT coalesce(string_agg(concat_ws(' ', id, 'status', status, 'attempt', attempt, 'crashes', crash_count, waiting_reason, 'due', due_at,
                                             'lease', lease_until, 'cancel', cancel_requested), '; '), 'nothing')
          FROM jobs WHERE model = ANY (@models) AND status < 6
        """;

    private const string Silent = """
        SELECT count(*) FROM dead_letters d JOIN jobs j ON j.id = d.job_id
         WHERE j.model = ANY (@models) AND NOT EXISTS (SELECT 1 FROM alerts a WHERE a.tenant_id = d.tenant_id AND a.cause = d.fingerprint)
        """;

    private const string Letters = "SELECT count(*) FROM dead_letters WHERE replayed_by IS NULL AND discarded_at IS NULL";
    private const string Discard = "UPDATE dead_letters SET discarded_at = now() WHERE model = ANY (@models) AND discarded_at IS NULL";

    private readonly Stack _stack;
    private readonly History _history;
    private readonly ChaosClient _client;
    private readonly CallWatch _calls;
    private readonly ChaosTools? _tools;
    private readonly NpgsqlDataSource _database;
    private readonly string _folder;
    private readonly string[] _models;
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource _quiet = new();
    private readonly CancellationTokenSource _abandon = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private readonly Task _load;
    private readonly Task _watching;

    private ChaosRun(Stack stack, IReadOnlyList<Lesson> lessons, Lesson refused, ChaosTools? tools, int perSecond, int readers)
    {
        (_stack, _tools) = (stack, tools);
        _folder = TestFolder.Create("chaos");
        _history = new(Path.Combine(_folder, "history.jsonl"));
        _client = new(stack.ApiAddress, stack.Key, _history);
        _calls = new(stack);
        _database = NpgsqlDataSource.Create(stack.Postgres);
        _models = [.. lessons.Select(lesson => lesson.Model), refused.Model];
        Tormentor = new(stack, _history);
        _load = new ChaosLoad(_client, lessons, refused, tools, perSecond, readers).RunAsync(_stop.Token, _abandon.Token);
        _watching = _calls.RunAsync(_quiet.Token);
    }

    public Tormentor Tormentor { get; }

    public History History => _history;

    /// <summary>As the stack was configured.</summary>
    public required TimeSpan AgeUpAfter { get; init; }

    /// <param name="stack">What is loaded.</param>
    /// <param name="perSecond">Jobs.</param>
    /// <param name="readers">At most.</param>
    /// <param name="ageUpAfter">As the stack was configured; null is usual.</param>
    /// <param name="withTools">Whether some of the load is runs of a workflow that does something outside; the stack's programs are started anew for that.</param>
    public static async Task<ChaosRun> StartAsync(
        Stack stack,
        int perSecond = 20,
        int readers = 50,
        TimeSpan? ageUpAfter = null,
        bool withTools = false
    )
    {
        var teacher = new JobClient(stack);
        List<Lesson> lessons = [];
        foreach (var (words, interval) in ((int, int)[])[(10, 10), (10, 20), (40, 20), (120, 20)])
        {
            lessons.Add(new(await teacher.TeachWordsAsync(words, interval, firstMs: 100), words));
        }

        var tools = withTools ? await ChaosTools.StartAsync(stack, lessons[0]) : null;
        return new(stack, lessons, new(await stack.TeachRefusalAsync(status: 404), Words: 0), tools, perSecond, readers)
        {
            AgeUpAfter = ageUpAfter ?? new QueueOptions().AgeUpAfter,
        };
    }

    /// <summary>Jobs that have ended well so far.</summary>
    public Task<long> EndedWellAsync() => CountAsync(Well);

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
        _watch.Stop();
        _abandon.CancelAfter(patience);
        try
        {
            await _load;
        }
        catch (OperationCanceledException) when (!TestRun.Cancel.IsCancellationRequested)
        {
            Assert.Fail(
                $"Callers still waited {patience} after the load had ended, for what of these has not ended: {await ScalarAsync(OpenOnes)}; the history is in {Keep()}."
            );
        }

        await Eventually.TrueAsync(async _ => await CountAsync(Open) == 0, "every job has ended", patience);
        await Eventually.TrueAsync(async _ => await CountAsync(Silent) == 0, "every dead letter has raised an alert", patience);
        await _quiet.CancelAsync();
        await _watching;
        await _calls.LookAsync(TestRun.Cancel);
        var findings = Checker.Check(await CollectAsync());
        // Others use the stack after this run, and look at what is open.
        await ScalarAsync(Discard);
        return findings;
    }

    /// <summary>Tells the verdict, and fails with it when anything was violated; the history then stays.</summary>
    public async Task AssertNothingIsViolatedAsync(IReadOnlyList<Finding> findings, params (string, string)[] facts)
    {
        var name = TestContext.Current.TestMethod!.MethodName;
        var verdict =
            $"{name}, {_watch.Elapsed.TotalMinutes.ToString("0.0", CultureInfo.InvariantCulture)} min of load\n{Checker.Table(findings, [.. facts, .. Tormentor.Kills.Select(kill => ($"{kill.Key} killed", $"{kill.Value}"))])}";
        TestContext.Current.TestOutputHelper?.WriteLine(verdict);
        await TestRun.KeepVerdictAsync(name, verdict);
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
        if (_tools is not null)
        {
            await _tools.DisposeAsync();
        }

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
            Sends = _tools?.Sends ?? [],
            Ledger = _tools is null ? [] : await _tools.ReadLedgerAsync(_database, TestRun.Cancel),
            Steps = _tools is null ? [] : await _tools.ReadStepsAsync(_database, TestRun.Cancel),
            Tried = tried.Count,
            Changed = await state.TryToChangeAsync(tried, TestRun.Cancel),
            LettersTold = await ToldAsync(),
            LettersOpen = await CountAsync(Letters),
            AgeUpAfter = AgeUpAfter,
        };
    }

    private async Task<long> ToldAsync()
    {
        var bytes = await _stack.Api.GetByteArrayAsync("/api/v1/stats", TestRun.Cancel);
        return JsonSerializer.Deserialize(bytes, WireJson.Default.Stats)!.DeadLetters;
    }

    private async Task<long> CountAsync(string sql) => (long)(await ScalarAsync(sql))!;

    private async Task<object?> ScalarAsync(string sql)
    {
#pragma warning disable CA2100 // Constants of this class.
        await using var command = _database.CreateCommand(sql);
#pragma warning restore CA2100
        command.Parameters.AddWithValue("models", _models);
        return await command.ExecuteScalarAsync(TestRun.Cancel);
    }

    private string Keep()
    {
        var kept = Path.Combine(Path.GetTempPath(), $"aibackend-history-{Guid.CreateVersion7():N}.jsonl");
        File.Copy(_history.File, kept);
        return kept;
    }
}
