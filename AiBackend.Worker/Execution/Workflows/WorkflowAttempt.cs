using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Versions;
using AiBackend.Core.Workflows;

namespace AiBackend.Worker.Execution.Workflows;

/// <summary>One look at a run: takes in what its steps gave, begins those that can begin, and waits without a slot for the others.</summary>
/// <remarks>
/// What is begun is written down before its job is submitted, under the run's lease, with the job's id: an attempt that dies in between leaves a row
/// whose job the next one submits. So a step is done once.
/// </remarks>
internal sealed class WorkflowAttempt(RunStepStore steps, StepJobs jobs, JobIds ids, TimeProvider clock)
{
    private const int MostCharacters = 32 * 1024 * 1024;

    // The leader wakes a run as soon as a step has ended; that it looks by itself is for the case that nobody leads. Every look is an attempt.
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(15);
    private static readonly TimeSpan SoonAgain = TimeSpan.FromSeconds(1);

    public async Task<AttemptEnd> RunAsync(RunningJob running, CancellationToken graceOver)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(running.Stop, graceOver);
        try
        {
            return await LookAsync(running, stop.Token);
        }
        catch (Exception) when (running.IsLost)
        {
            return AttemptEnd.GivenBack();
        }
        catch (Exception) when (running.CancelRequested)
        {
            // The leader cancels the jobs of its steps.
            return AttemptEnd.Cancelled(null);
        }
        catch (OperationCanceledException) when (graceOver.IsCancellationRequested)
        {
            return AttemptEnd.GivenBack();
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            // What was written is there, and the next look goes on from it.
            return Again("Postgres did not answer.", SoonAgain);
        }
    }

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
        var rows = await steps.ReadAsync(job.TenantId, job.Lease.JobId, stop);
        if (rows.Sum(row => (long)(row.Text?.Length ?? 0)) > MostCharacters)
        {
            return AttemptEnd.FailedForGood(
                new(
                    "workflow_too_large",
                    "caller_error",
                    FormattableString.Invariant($"Its steps gave more than {MostCharacters} characters. Let steps give less."),
                    Retryable: false
                )
            );
        }

        var settled = rows.Select(row => Settle(row, StepOf(run.Definition, row.State))).ToList();
        var next = WorkflowPlan.Next(run.Definition, run.Input, settled.Select(each => each.Now), clock.GetUtcNow(), ids.Next);
        var changed = settled.Where(each => each.HasEnded).Select(each => each.Now).Concat(next.Begun).ToList();
        // A map whose last item ended in this look was begun before: its end is written in place of its beginning.
        var all = changed.Concat(next.Ended).GroupBy(state => (state.Name, state.Item)).Select(same => same.Last()).ToList();
        if (all.Count > 0 && !await steps.WriteAsync(job.TenantId, job.Lease, all, stop))
        {
            return AttemptEnd.GivenBack();
        }

        var submitted = rows.Where(row => row.Job is not null).Select(row => row.State.JobId).ToHashSet();
        var values = WorkflowPlan.ValuesOf(run.Input, next.All);
        foreach (
            var state in next.All.Where(state =>
                state is { Status: StepStatus.Running, JobId: not null } && !submitted.Contains(state.JobId)
            )
        )
        {
            if (!await SubmitAsync(running, run.Definition, state, values))
            {
                // The row names the job: the next look submits it.
                return Again("Too much is being submitted.", SoonAgain);
            }
        }

        return next.IsOver ? End(run.Definition, next, values) : Wait(next);
    }

    private async Task<bool> SubmitAsync(RunningJob running, WorkflowDefinition definition, StepState state, WorkflowValues values)
    {
        var step = StepOf(definition, state);
        if (state.Item is { } item)
        {
            var list = WorkflowTemplates.Value(definition.Steps!.Single(each => each.Name == state.Name).Over!, values)!.Value;
            values = values with { Item = (list[item], item) };
        }

        if (!await jobs.SubmitAsync(running.Job, step, state, values))
        {
            return false;
        }

        running.AppendNotice(
            "step_started",
            state.Item is { } number
                ? FormattableString.Invariant($"{state.Name}, item {number}: job {state.JobId}")
                : $"{state.Name}: job {state.JobId}"
        );
        return true;
    }

    /// <summary>What does a step, or an item of a map.</summary>
    private static WorkflowStep StepOf(WorkflowDefinition definition, StepState state)
    {
        var step = definition.Steps!.Single(each => each.Name == state.Name);
        return state.Item is null ? step : step.Step!;
    }

    /// <summary>Takes in what the step's job gave, and what time brought.</summary>
    private (StepState Now, bool HasEnded) Settle(RunStepRow row, WorkflowStep step)
    {
        var state = row.State;
        if (state.Status != StepStatus.Running)
        {
            return (state, false);
        }

        if (row.Job is { } job && job.IsTerminal())
        {
            return (OfJob(state, job, row, step), true);
        }

        if (state.DueAt <= clock.GetUtcNow())
        {
            return step.Type == StepTypes.Timer
                ? (state with { Status = StepStatus.Succeeded }, true)
                : (state with { Status = StepStatus.Failed, Error = "Nobody posted the event in time." }, true);
        }

        return (state, false);
    }

    private static StepState OfJob(StepState state, JobStatus job, RunStepRow row, WorkflowStep step) =>
        job is JobStatus.Completed or JobStatus.PartiallyCompleted && row.Text is { } text
            ? state with
            {
                Status = StepStatus.Succeeded,
                Output = OutputOf(text, step),
                Error = row.Missing.Count == 0 ? null : string.Join(' ', row.Missing),
            }
            : state with
            {
                Status = StepStatus.Failed,
                Error = row.Error ?? (job == JobStatus.Cancelled ? "The step's job was cancelled." : "The step's job gave nothing."),
            };

    /// <summary>A step with a contract gives the value, any other one its text.</summary>
    private static JsonElement OutputOf(string text, WorkflowStep step) =>
        (step.Contract is null ? null : StoredJson.ValueOf(text)) ?? JsonSerializer.SerializeToElement(text, WireJson.Default.String);

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

    private static AttemptEnd End(WorkflowDefinition definition, NextSteps next, WorkflowValues values)
    {
        if (next.Failure is { } failure)
        {
            return AttemptEnd.FailedForGood(
                new(
                    "step_failed",
                    "transient",
                    $"Step {failure.Name} failed: {failure.Error} Mend it and run the workflow again.",
                    Retryable: true
                )
            );
        }

        var output = definition.Output is { } template ? WorkflowTemplates.Json(template, values) : Last(definition, values);
        var text = output is { ValueKind: JsonValueKind.String } plain ? plain.GetString()! : output?.GetRawText() ?? "null";
        var missing = next
            .All.Where(state => state is { Item: null, Error: not null })
            .Select(state => $"{state.Name}: {state.Error}")
            .ToList();
        return missing.Count == 0 ? AttemptEnd.Succeeded(text) : AttemptEnd.Partial(text, missing);
    }

    private static JsonElement? Last(WorkflowDefinition definition, WorkflowValues values) =>
        definition
            .Steps!.Reverse()
            .Select(step => values.Steps.TryGetValue(step.Name!, out var given) ? given : (JsonElement?)null)
            .FirstOrDefault(given => given is not null);
}
