using System.Text.Json;
using System.Text.Json.Serialization;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.ApiContracts.Workflows;

/// <summary>One version of a workflow. A version never changes.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Version">Counts from 1; runs take the newest unless they say another.</param>
/// <param name="Definition">What it does.</param>
/// <param name="CreatedAt">When it was made.</param>
/// <param name="CreatedBy">Id of the key that made it.</param>
public sealed record Workflow(string Name, int Version, WorkflowDefinition Definition, DateTimeOffset CreatedAt, string? CreatedBy);

/// <summary>A version of a workflow in lists, without what it does; in the list of workflows the newest.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Version">Which.</param>
/// <param name="Description">What it is for; null when nobody said.</param>
/// <param name="CreatedAt">When the version was made.</param>
/// <param name="CreatedBy">Id of the key that made it.</param>
/// <param name="Steps">How many steps it has.</param>
/// <param name="Runs">Runs of any version that are kept, counted up to 1 000; null in the list of versions.</param>
public sealed record WorkflowSummary(
    string Name,
    int Version,
    string? Description,
    DateTimeOffset CreatedAt,
    string? CreatedBy,
    int Steps,
    int? Runs
);

/// <summary>Workflows by name, or the versions of one, newest first.</summary>
/// <param name="Data">The workflows.</param>
/// <param name="NextCursor">For the next page; null on the last one.</param>
public sealed record WorkflowList(IReadOnlyList<WorkflowSummary> Data, string? NextCursor);

/// <summary>Begins a run: a job of the type <c>workflow</c>.</summary>
public sealed record RunWorkflowRequest
{
    /// <summary>Which version; the newest when it is left out.</summary>
    public int? Version { get; init; }

    /// <summary>What the steps call <c>input</c>; it must fit the workflow's schema.</summary>
    public JsonElement? Input { get; init; }

    /// <summary>Goes on from an earlier run instead of beginning anew.</summary>
    public WorkflowRerun? Rerun { get; init; }

    /// <summary>What all its steps may use together; of the workflow's own limits and these the lower ones hold.</summary>
    public RunLimits? Limits { get; init; }

    /// <summary>As of a job; its steps inherit it.</summary>
    public string? Feature { get; init; }

    /// <summary>As of a job; its steps inherit it.</summary>
    public string? Priority { get; init; }

    /// <summary>As of a job; its steps inherit it.</summary>
    public DateTimeOffset? Deadline { get; init; }

    /// <summary>As of a job; its steps inherit it.</summary>
    public string? User { get; init; }

    /// <summary>As of a job.</summary>
    public IReadOnlyDictionary<string, string>? Metadata { get; init; }

    /// <summary>As of a job.</summary>
    public JobWebhook? Webhook { get; init; }
}

/// <summary>What a run was asked to do: as <c>GET /api/v1/jobs/{id}/input</c> gives it of a job of the type <c>workflow</c>.</summary>
public sealed record RunOrder
{
    /// <summary>The workflow.</summary>
    public required string Workflow { get; init; }

    /// <summary>Its version.</summary>
    public required int Version { get; init; }

    /// <summary>What it does.</summary>
    public required WorkflowDefinition Definition { get; init; }

    /// <summary>What the steps call <c>input</c>.</summary>
    public JsonElement? Input { get; init; }
}

/// <summary>What a new run takes over from an earlier one.</summary>
public sealed record WorkflowRerun
{
    /// <summary>The earlier run of this workflow, which must have ended. Its version is run, with its input unless the request has another one.</summary>
    public Guid? Run { get; init; }

    /// <summary>The step from which on everything is done again: it, all that depend on it, and what did not succeed before.</summary>
    public string? From { get; init; }

    /// <summary>Values in place of what other steps gave, by step.</summary>
    public IReadOnlyDictionary<string, JsonElement>? Outputs { get; init; }
}

/// <summary>Steps of a run that have begun, in that order; of a map each item, too.</summary>
/// <param name="Data">The steps.</param>
/// <param name="NextCursor">For the next page; null when these are all that have begun.</param>
public sealed record RunSteps(IReadOnlyList<RunStepState> Data, string? NextCursor);

/// <summary>Where a step stands.</summary>
public sealed record RunStepState
{
    /// <summary>The step.</summary>
    public required string Name { get; init; }

    /// <summary>The item of a map, from 0; null for the step itself.</summary>
    public int? Index { get; init; }

    /// <summary>One of <see cref="RunStepStatuses"/>.</summary>
    public required string Status { get; init; }

    /// <summary>The job that does it; null where none does.</summary>
    public Guid? JobId { get; init; }

    /// <summary>What it gave; null when it has not, or gave null, and of a map, whose list is what its items gave.</summary>
    public JsonElement? Output { get; init; }

    /// <summary>What its contract found; null where it has none, or nothing was looked at yet.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JobContract? Contract { get; init; }

    /// <summary>Files that its job has made; null when there is none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<JobFile>? Artifacts { get; init; }

    /// <summary>Why it failed.</summary>
    public string? Error { get; init; }

    /// <summary>When it began.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>When it ended.</summary>
    public DateTimeOffset? EndedAt { get; init; }
}

/// <summary>Statuses of a step.</summary>
public static class RunStepStatuses
{
    /// <summary>Under way, or waiting.</summary>
    public const string Running = "running";

    /// <summary>It has given what it gives.</summary>
    public const string Succeeded = "succeeded";

    /// <summary>It gives nothing.</summary>
    public const string Failed = "failed";

    /// <summary>It was not to be done.</summary>
    public const string Skipped = "skipped";
}

/// <summary>Something that a run waits for.</summary>
public sealed record WorkflowEvent
{
    /// <summary>The step that waits for it.</summary>
    public string? Name { get; init; }

    /// <summary>What the step gives.</summary>
    public JsonElement? Data { get; init; }
}
