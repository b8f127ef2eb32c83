using System.Text.Json;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Jobs;
using AiBackend.Core.Texts;
using AiBackend.Core.Workflows;

namespace AiBackend.Worker.Execution.Workflows;

/// <summary>How a step ends that is under way: by its job, by its event, or by time.</summary>
internal static class StepEnds
{
    private const int MostCharactersOfError = 500;

    /// <param name="row">The step.</param>
    /// <param name="given">What its job gave, when that was read.</param>
    /// <param name="type">The step's type.</param>
    /// <param name="now">The time.</param>
    /// <returns>Null while it goes on.</returns>
    public static StepState? Of(RunStepRow row, StepJobOutput? given, string type, DateTimeOffset now)
    {
        var state = row.State with { Type = row.State.Type ?? type };
        if (row.Job is { } job && job.IsTerminal())
        {
            return OfJob(state, job, row, given, type);
        }

        // An event that came in time counts, however late one looks.
        return state.IsPosted ? state with { Status = StepStatus.Succeeded }
            : !(state.DueAt <= now) ? null
            : type == StepTypes.Timer ? state with { Status = StepStatus.Succeeded }
            : state.Failed("Nobody posted the event in time.");
    }

    private static StepState OfJob(StepState state, JobStatus job, RunStepRow row, StepJobOutput? given, string type)
    {
        if (job is not (JobStatus.Completed or JobStatus.PartiallyCompleted))
        {
            return state.Failed(
                Cut(row.Error ?? (job == JobStatus.Cancelled ? "The step's job was cancelled." : "The step's job gave nothing."))
            );
        }

        if (row.Size > StepValues.MaxBytes)
        {
            return state.Failed(StepValues.TooLarge(row.Size.Value));
        }

        if (given is null)
        {
            return state.Failed("The step's job gave nothing.");
        }

        var value = ValueOf(given, type, out var fault);
        return fault is null
            ? state.Gave(value) with
            {
                Error = given.Missing.Count == 0 ? null : Cut(string.Join(' ', given.Missing)),
            }
            : state.Failed($"What its job gave is no value of a step. {fault}");
    }

    /// <summary>A job with a contract gives the value, and so does a tool; any other one its text, and so does one whose text a person let pass that is no JSON.</summary>
    private static JsonElement ValueOf(StepJobOutput given, string type, out string? fault)
    {
        fault = null;
        return (given.Terms.Contract is null && type != StepTypes.Tool ? null : StepValues.Find(given.Text, out fault))
            ?? StepValues.OfText(given.Text);
    }

    private static string Cut(string error) => StorableText.Of(error, MostCharactersOfError);
}
