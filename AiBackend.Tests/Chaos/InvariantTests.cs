using AiBackend.Core.Jobs;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using AiBackend.Tests.Chaos.Invariants;

namespace AiBackend.Tests.Chaos;

/// <summary>The checker can fail: each invariant catches the run that breaks it, and none objects to a good one.</summary>
public sealed class InvariantTests
{
    private static readonly DateTimeOffset T = new(2026, 11, 26, 8, 0, 0, TimeSpan.Zero);
    private static readonly Guid Id = new("00000000-0000-7000-8000-00000000000a");
    private static readonly Guid OtherId = new("00000000-0000-7000-8000-00000000000b");

    private static readonly JobFacts Good = new()
    {
        Id = Id,
        Status = JobStatus.Completed,
        Key = "k",
        Attempt = 2,
        LastSeq = 6,
        CreatedAt = T,
        StartedAt = T.AddSeconds(1),
        Priority = JobPriority.Batch,
        CrashCount = 1,
        Output = "word1",
        Log = new(6, 6, 1, "word1", null),
        Attempts =
        [
            new(1, AttemptOutcome.Lost, "host/7", T.AddSeconds(1), T.AddSeconds(11)),
            new(2, AttemptOutcome.Succeeded, "host/8", T.AddSeconds(12), T.AddSeconds(13)),
        ],
    };

    private static readonly JobFacts Failed = Good with
    {
        Id = OtherId,
        Key = "l",
        Status = JobStatus.Failed,
        Attempt = 0,
        Attempts = [],
        Output = null,
        Letter = new(T.AddSeconds(20), "f1", "It died.", T.AddSeconds(22)),
        ErrorCode = "poison",
        ErrorClass = "unknown",
        ErrorMessage = "It died.",
    };

    private static readonly Guid StepId = new("00000000-0000-7000-8000-00000000000c");

    private static readonly LedgerFacts Written = new("e1", Id, ToolEffect.Write, ToolCallState.Done, 1);
    private static readonly LedgerFacts Repeatable = new("e2", OtherId, ToolEffect.WriteIdempotent, ToolCallState.Done, 1);

    private static readonly StepFacts[] RunSteps =
    [
        new(StepId, "a", Id, [], T.AddSeconds(1), T.AddSeconds(14)),
        new(StepId, "b", null, ["a"], T.AddSeconds(14), null),
    ];

    private static readonly HistoryEntry Submitted = Entry(Operations.Submit) with { Key = "k", Job = Id, Text = "word1" };
    private static readonly HistoryEntry Seen = Entry(Operations.Read) with { Job = Id, Text = "word1", State = "completed", Finals = 1 };

    private static readonly Evidence Sound = new()
    {
        History =
        [
            Submitted,
            Submitted with
            {
                At = T.AddSeconds(2),
            },
            Seen,
            Entry(Operations.Submit) with
            {
                Key = "l",
                Job = OtherId,
            },
            Entry(Operations.SubmitOther) with
            {
                Key = "k",
                Phase = Phase.Fail,
                Status = 422,
            },
            Entry(Operations.Cancel) with
            {
                Key = "k",
                Job = Id,
                At = T.AddSeconds(12),
            },
            Entry(Operations.RedisLost),
            Entry(Operations.RedisBack) with
            {
                At = T.AddSeconds(3),
            },
            Entry(Operations.Terminate) with
            {
                ProcessId = 8,
                At = T.AddSeconds(14),
            },
        ],
        Jobs = [Good, Failed],
        Calls = [new("k", T.AddSeconds(12), "completed")],
        Sends = [new("e1", Id), new("e2", OtherId), new("e2", OtherId)],
        Ledger = [Written, Repeatable],
        Steps = RunSteps,
        Tried = 2,
        LettersTold = 2,
        LettersOpen = 2,
        AgeUpAfter = TimeSpan.FromSeconds(30),
    };

    public static TheoryData<string, string> Bad => [.. BadRuns.Keys.Select(key => new TheoryDataRow<string, string>(key.Id, key.What))];

    private static Dictionary<(string Id, string What), Evidence> BadRuns { get; } =
        new()
        {
            [("I-1", "an acknowledged job is missing")] = Sound with { Jobs = [Failed] },
            [("I-1", "an acknowledged job never ends")] = With(Good with { Status = JobStatus.Queued }),
            [("I-1", "a job ends twice")] = With(Good with { Log = Good.Log! with { Finals = 2 } }),
            [("I-2", "a job changes after its end")] = And(Seen with { State = "failed" }),
            [("I-2", "an ended job lets itself be changed")] = Sound with { Changed = [Id] },
            [("I-3", "one key makes two jobs")] = And(Submitted with { Job = OtherId }),
            [("I-3", "a job belongs to no key")] = With(Good with { Key = null }),
            [("I-3", "two jobs have one key")] = Sound with { Jobs = [Good, Failed with { Key = "k" }] },
            [("I-3", "another body is accepted")] = And(Entry(Operations.SubmitOther) with { Key = "k", Job = Id }),
            [("I-4", "a job succeeds twice")] = With(Good with { Attempts = [.. Good.Attempts, Good.Attempts[1] with { Number = 3 }] }),
            [("I-4", "a completed job has no output")] = With(Good with { Output = null }),
            [("I-4", "the output is not the right one")] = With(Good with { Output = "word1 word1" }),
            [("I-4", "a failed job has no dead letter")] = With(Failed with { Letter = null }),
            [("I-5", "a write is sent twice")] = Sound with { Sends = [.. Sound.Sends, new("e1", Id)] },
            [("I-5", "a write is made anew under another name")] = Sound with
            {
                Ledger = [.. Sound.Ledger, Written with { EffectId = "e3" }],
            },
            [("I-5", "something is sent that was not written down")] = Sound with { Ledger = [Repeatable] },
            [("I-5", "what may be repeated is, without end")] = Sound with
            {
                Sends = [.. Enumerable.Repeat(new SendFacts("e2", OtherId), 4)],
            },
            [("I-5", "one effect is sent for two jobs")] = Sound with { Sends = [new("e2", OtherId), new("e2", Id)] },
            [("I-8", "an event is missing")] = With(Good with { Log = Good.Log! with { Count = 5 } }),
            [("I-8", "the row counts other events than there are")] = With(Good with { LastSeq = 7 }),
            [("I-9", "a reader misses text")] = And(Seen with { Text = "" }),
            [("I-9", "a reader sees two ends")] = And(Seen with { Finals = 2 }),
            [("I-9", "a reader gets an event twice")] = And(Seen with { Detail = "event 3 follows 3" }),
            [("I-10", "an older holder writes")] = With(Good with { Log = Good.Log! with { Broken = "event 5 is of an older attempt" } }),
            [("I-11", "two attempts overlap")] = With(
                Good with
                {
                    Attempts = [Good.Attempts[0], Good.Attempts[1] with { StartedAt = T.AddSeconds(5) }],
                }
            ),
            [("I-11", "an attempt left no record")] = With(Good with { Attempt = 3 }),
            [("I-12", "a job fails silently")] = With(Failed with { ErrorMessage = null }),
            [("I-12", "a dead letter has no cause")] = With(Failed with { Letter = Failed.Letter! with { Fingerprint = null } }),
            [("I-12", "a cause raises no alert")] = With(Failed with { Letter = Failed.Letter! with { AlertedAt = null } }),
            [("I-12", "an alert comes late")] = With(Failed with { Letter = Failed.Letter! with { AlertedAt = T.AddSeconds(81) } }),
            [("I-12", "operators are told another number")] = Sound with { LettersTold = 1 },
            [("I-13", "too many attempts")] = With(Good with { MaxAttempts = 1 }),
            [("I-13", "too many crashes")] = With(Good with { CrashCount = 4 }),
            [("I-13", "more calls than attempts")] = Sound with { Calls = [.. Enumerable.Repeat(Sound.Calls[0], 3)] },
            [("I-16", "a batch job waits for ever")] = With(Good with { StartedAt = T.AddSeconds(91) }),
            [("I-18", "a job waits long after Redis is back")] = With(Good with { StartedAt = T.AddSeconds(20) }),
            [("I-19", "a step begins before what it takes has ended")] = Sound with
            {
                Steps = [RunSteps[0], RunSteps[1] with { StartedAt = T.AddSeconds(13) }],
            },
            [("I-19", "a step begins without what it takes")] = Sound with { Steps = [RunSteps[1]] },
            [("I-19", "a step runs again after it was done")] = Sound with
            {
                Steps = [RunSteps[0] with { EndedAt = T.AddSeconds(11) }, RunSteps[1]],
            },
            [("I-19", "one job does two steps")] = Sound with { Steps = [.. RunSteps, RunSteps[0] with { Name = "c" }] },
            [("I-20", "a cancelled job is called for again")] = Sound with { Calls = [new("k", T.AddSeconds(15), "completed")] },
            [("I-20", "a cancelled job never ends")] = With(Good with { Status = JobStatus.Processing }),
            [("I-21", "a worker told to stop loses a job")] = And(Entry(Operations.Terminate) with { ProcessId = 7, At = T.AddSeconds(2) }),
            [("I-22", "a status that nobody knows")] = With(Good with { Status = (JobStatus)42 }),
        };

    [Fact]
    public void Nothing_is_wrong_with_a_good_run()
    {
        var findings = Checker.Check(Sound);

        Assert.All(findings, finding => Assert.Empty(finding.Violations));
        Assert.All(findings, finding => Assert.NotEqual(0, finding.Checked));
        Assert.Equal(findings.Select(finding => finding.Id).Order(), BadRuns.Keys.Select(key => key.Id).Distinct().Order());
    }

    [Theory]
    [MemberData(nameof(Bad))]
    public void A_bad_run_is_caught_by_its_invariant(string id, string what)
    {
        var finding = Checker.Check(BadRuns[(id, what)]).Single(finding => finding.Id == id);

        Assert.NotEmpty(finding.Violations);
    }

    [Fact]
    public void An_invariant_that_nothing_was_examined_for_is_undecided_and_the_verdict_says_so()
    {
        var findings = Checker.Check(Sound with { Jobs = [Good] });

        var undecided = Assert.Single(findings, finding => finding.IsUndecided);
        Assert.Equal("I-12", undecided.Id);
        Assert.Contains(
            Checker.Table(findings, []).Split('\n'),
            line => line.StartsWith("I-12", StringComparison.Ordinal) && line.Contains("NO EVIDENCE")
        );
    }

    [Fact]
    public void A_history_is_read_from_its_file_as_it_was_written()
    {
        var file = Path.GetTempFileName();
        using (var history = new History(file))
        {
            history.Add(Submitted);
            history.Add(Seen);
        }

        Assert.Equal([Submitted, Seen], History.Read(file));
        File.Delete(file);
    }

    [Theory]
    [InlineData("3 delta 1 x", "event 3 follows 1")]
    [InlineData("2 state 0 queued", null)]
    [InlineData("2 state 1 processing;3 delta 1 x;4 delta 2 y", "event 4 is text of another attempt")]
    [InlineData("2 state 1 processing;3 state 2 processing;4 delta 1 x", "event 4 is text of another attempt")]
    [InlineData("2 state 1 processing;3 state 2 processing;4 state 1 queued", "event 4 is of an older attempt")]
    [InlineData("2 state 1 processing;3 state 1 processing", "event 3 starts an attempt twice")]
    [InlineData("2 final;3 delta 0 x", "event 3 comes after the end")]
    public void A_log_that_breaks_its_rules_is_noted(string events, string? broken)
    {
        var fold = new EventFold();
        fold.Take(1, "state", """{"status":"queued","attempt":0}""");

        foreach (var part in events.Split(';').Select(part => part.Split(' ')))
        {
            var data = part switch
            {
                [_, "delta", var attempt, var text] => $$"""{"attempt":{{attempt}},"text":"{{text}}"}""",
                [_, "state", var attempt, var status] => $$"""{"status":"{{status}}","attempt":{{attempt}}}""",
                _ => "{}",
            };
            fold.Take(int.Parse(part[0], System.Globalization.CultureInfo.InvariantCulture), part[1], data);
        }

        Assert.Equal(broken is null, fold.Rules.Broken is null);
        Assert.StartsWith(broken ?? "", fold.Rules.Broken ?? "", StringComparison.Ordinal);
    }

    private static HistoryEntry Entry(string op) =>
        new()
        {
            At = T,
            Op = op,
            Phase = Phase.Ok,
        };

    private static Evidence With(JobFacts job) => Sound with { Jobs = [.. Sound.Jobs.Where(other => other.Id != job.Id), job] };

    private static Evidence And(HistoryEntry entry) => Sound with { History = [.. Sound.History, entry] };
}
