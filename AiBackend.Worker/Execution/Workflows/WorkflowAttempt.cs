using System.Diagnostics;
using System.Text.Json;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Contracts;
using AiBackend.Core.Faults;
using AiBackend.Core.Jobs;
using AiBackend.Core.Workflows;

namespace AiBackend.Worker.Execution.Workflows;

/// <summary>One look at a run: takes in what its steps gave, begins those that can begin, and waits without a slot for the others.</summary>
/// <remarks>
/// What is begun is written down before its job is submitted, under the run's lease, with the job's id: an attempt that dies in between leaves a row
/// whose job the next one submits. So a step is done once. What needs no job is written down with what it gave, before any job is submitted.
/// </remarks>
internal sealed class WorkflowAttempt(
    RunStepStore steps,
    StepJobs jobs,
    InlineTools inline,
    JobIds ids,
    OutputContracts contracts,
    TimeProvider clock
)
{
    // The leader wakes a run as soon as a step has ended; that it looks by itself is for the case that nobody leads. Every look is an attempt.
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(15);
    private static readonly TimeSpan SoonAgain = TimeSpan.FromSeconds(1);
    private static readonly JsonElement Null = StepValues.Read("null");
    private static readonly HashSet<string> NothingYet = [];

    // What was written is there, and the next look goes on from it. The leader cancels the jobs of its steps.
    public Task<AttemptEnd> RunAsync(RunningJob running, CancellationToken graceOver) =>
        AttemptGuard.RunAsync(running, stop => LookAsync(running, stop), _ => Again("Postgres did not answer.", SoonAgain), graceOver);

    private async Task<AttemptEnd> LookAsync(RunningJob running, CancellationToken stop)
    {
        var job = running.Job;
        if (job.Attempt >= RetryPolicy.MostAttempts)
        {
            return AttemptEnd.FailedForGood(
                new(
                    "workflow_too_long",
                    "caller_error",
                    "It has looked at its steps too often. Split it into several workflows.",
                    Retryable: false
                )
            );
        }

        var run = RunInput.Read(job.Input);
        var rows = await ReadAsync(job, run, stop);
        var size = rows.Sum(row => (long)row.State.Size + (row.Size <= StepValues.MaxBytes ? row.Size.Value : 0));
        if (size > StepValues.MaxBytesOfRun)
        {
            return AttemptEnd.FailedForGood(new("workflow_too_large", "caller_error", StepValues.TooMuch(size), Retryable: false));
        }

        var ended = await SettleAsync(job.TenantId, run.Definition, rows, stop);
        var (next, values) = (
            rows.Select(row => ended.GetValueOrDefault((row.State.Name, row.State.Item)) ?? row.State).ToList(),
            new Dictionary<string, JsonElement>(StringComparer.Ordinal)
        );
        var (changed, plan, calling) = (ended.Values.ToList(), default(NextSteps), new Stopwatch());
        do
        {
            await ReadValuesAsync(job, plan?.Wanted ?? NothingYet, values, stop);
            plan = WorkflowPlan.Next(run.Definition, run.Input, next, values, clock.GetUtcNow(), ids.Next, contracts);
            // What began and ended in this look is written as it ended.
            var all = changed
                .Concat(plan.Begun)
                .Concat(plan.Ended)
                .GroupBy(state => (state.Name, state.Item))
                .Select(same => same.Last())
                .ToList();
            var written = all.Count == 0 ? StepsWritten.All : await steps.WriteAsync(job.TenantId, job.Lease, all, stop);
            if (written != StepsWritten.All)
            {
                return written == StepsWritten.Nothing ? AttemptEnd.GivenBack() : Again("An event came meanwhile.", TimeSpan.Zero);
            }

            FaultPoints.Hit(FaultPoint.K15, run.Workflow);
            changed = await inline.CallAsync(running, run, plan.Inline, calling, stop);
            // Stored, they are read again if they are wanted.
            next = [.. plan.All.Select(state => state with { Output = null }), .. changed];
        } while (plan.Wanted.Count > 0 || changed.Count > 0);

        if (plan.IsOver)
        {
            await ReadValuesAsync(job, RunEnds.Taken(run, plan), values, stop);
            return RunEnds.Of(run, plan, values, contracts);
        }

        return await SubmitAsync(running, run, plan, rows, values, stop) ?? Wait(plan);
    }

    /// <summary>What has begun; before anything has, what is taken over from an earlier run.</summary>
    private async Task<List<RunStepRow>> ReadAsync(ClaimedJob job, RunInput run, CancellationToken stop)
    {
        var rows = await steps.ReadAsync(job.TenantId, job.Lease.JobId, stop);
        if (rows.Count > 0 || run.TakenOver is not { } earlier)
        {
            return rows;
        }

        await steps.TakeOverAsync(job.TenantId, job.Lease, run.Definition, earlier, stop);
        return await steps.ReadAsync(job.TenantId, job.Lease.JobId, stop);
    }

    /// <summary>Takes in what jobs, events and time brought.</summary>
    private async Task<Dictionary<(string, int?), StepState>> SettleAsync(
        Guid tenantId,
        WorkflowDefinition definition,
        IReadOnlyList<RunStepRow> rows,
        CancellationToken stop
    )
    {
        var open = rows.Where(row => row.State.Status == StepStatus.Running).ToList();
        var done = open.Where(row => row.Job?.IsTerminal() == true && row.Size <= StepValues.MaxBytes)
            .Select(row => row.State.JobId!.Value)
            .ToList();
        var given = done.Count == 0 ? null : await steps.ReadGivenAsync(tenantId, done, stop);
        return open.Select(row =>
                StepEnds.Of(
                    row,
                    row.State.JobId is { } job ? given?.GetValueOrDefault(job) : null,
                    StepOf(definition, row.State).Type!,
                    clock.GetUtcNow()
                )
            )
            .OfType<StepState>()
            .ToDictionary(state => (state.Name, state.Item));
    }

    /// <summary>Puts values of steps into the hand.</summary>
    private async Task ReadValuesAsync(
        ClaimedJob run,
        IEnumerable<string> names,
        Dictionary<string, JsonElement> values,
        CancellationToken stop
    )
    {
        var missing = names.Where(name => !values.ContainsKey(name)).ToList();
        if (missing.Count == 0)
        {
            return;
        }

        var read = await steps.ReadValuesAsync(run.TenantId, run.Lease.JobId, missing, stop);
        // What is not there any more is nothing, which is in hand too.
        missing.ForEach(name => values[name] = read.TryGetValue(name, out var value) ? value : Null);
    }

    /// <summary>Submits the jobs of steps that have begun and have none: in this look, or in one that did not come so far.</summary>
    /// <returns>How the look ends when not all of them could be submitted.</returns>
    private async Task<AttemptEnd?> SubmitAsync(
        RunningJob running,
        RunInput run,
        NextSteps plan,
        IReadOnlyList<RunStepRow> rows,
        Dictionary<string, JsonElement> values,
        CancellationToken stop
    )
    {
        var submitted = rows.Where(row => row.Job is not null).Select(row => row.State.JobId).ToHashSet();
        var open = plan
            .All.Where(state => state is { Status: StepStatus.Running, JobId: not null } && !submitted.Contains(state.JobId))
            .ToList();
        var taken = open.SelectMany(state => StepReferences.Taken(run.Definition.Steps!.Single(step => step.Name == state.Name)));
        await ReadValuesAsync(running.Job, taken.Distinct(StringComparer.Ordinal), values, stop);
        foreach (var state in open)
        {
            var step = StepOf(run.Definition, state);
            var input = StepInput.Of(step, ValuesOf(run, state, values), out var fault);
            var isThere = input is null ? null : await jobs.SubmitAsync(running.Job, run, step, state, input, stop);
            if (isThere is false)
            {
                // The row names the job: the next look submits it.
                return Again("Too much is being submitted.", SoonAgain);
            }

            if (isThere is null)
            {
                StepState[] failed = [state.Failed(fault ?? "Its job was deleted before the run had taken in what it gave.")];
                await steps.WriteAsync(running.Job.TenantId, running.Job.Lease, failed, stop);
                return Again($"{state.Name} failed.", TimeSpan.Zero);
            }

            running.AppendNotice(
                "step_started",
                state.Item is { } number
                    ? FormattableString.Invariant($"{state.Name}, item {number}: job {state.JobId}")
                    : $"{state.Name}: job {state.JobId}"
            );
        }

        return null;
    }

    private static WorkflowValues ValuesOf(RunInput run, StepState state, Dictionary<string, JsonElement> values)
    {
        var all = new WorkflowValues(run.Input, values);
        return state.Item is { } item
            ? all with
            {
                Item = (
                    WorkflowTemplates.Value(run.Definition.Steps!.Single(each => each.Name == state.Name).Over!, all)!.Value[item],
                    item
                ),
            }
            : all;
    }

    /// <summary>What does a step, or an item of a map.</summary>
    private static WorkflowStep StepOf(WorkflowDefinition definition, StepState state)
    {
        var step = definition.Steps!.Single(each => each.Name == state.Name);
        return state.Item is null ? step : step.Step!;
    }

    /// <summary>Waits without a slot, and without having used up a try.</summary>
    private static AttemptEnd Again(string why, TimeSpan after) =>
        AttemptEnd.WaitsForProvider(new("steps", "transient", why, Retryable: true), WaitingReasons.Steps, after);

    private AttemptEnd Wait(NextSteps next)
    {
        var due = next
            .All.Where(state => state is { Status: StepStatus.Running, DueAt: not null })
            .Select(state => state.DueAt!.Value - clock.GetUtcNow());
        var open = string.Join(
            ", ",
            next.All.Where(state => state is { Status: StepStatus.Running, Item: null }).Select(state => state.Name)
        );
        var wait = due.Append(LongestWait).Min();
        return Again($"Waits for {open}.", wait > TimeSpan.Zero ? wait : TimeSpan.Zero);
    }
}
