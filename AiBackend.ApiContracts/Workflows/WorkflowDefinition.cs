using System.Text.Json;
using System.Text.Json.Serialization;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Knowledge;
using AiBackend.ApiContracts.Reviews;

namespace AiBackend.ApiContracts.Workflows;

/// <summary>What a workflow does: steps that take what others gave.</summary>
public sealed record WorkflowDefinition
{
    /// <summary>What it is for, up to 500 characters.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Description { get; init; }

    /// <summary>JSON Schema of a run's input, within the bounds of contracts; null takes any.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? Input { get; init; }

    /// <summary>1 to 100 steps. A step begins when those that it names have ended.</summary>
    public IReadOnlyList<WorkflowStep>? Steps { get; init; }

    /// <summary>What a run gives, with placeholders; what its last step gave when it is left out.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? Output { get; init; }

    /// <summary>What a run's output must be; one that breaks it makes the run fail. Null takes any.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public OutputContract? Contract { get; init; }

    /// <summary>What all steps of a run may use together, unless the run says less; null is no limit.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public RunLimits? Limits { get; init; }
}

/// <summary>One step. Which other members it takes depends on <see cref="Type"/>.</summary>
/// <remarks>
/// Texts have placeholders <c>{{input.…}}</c> and <c>{{steps.NAME.…}}</c>, in a map <c>{{item.…}}</c> and <c>{{index}}</c>, too. A text that is one placeholder and
/// nothing else becomes the value itself. What is put in is data and never looked through again.
/// </remarks>
public sealed record WorkflowStep
{
    /// <summary>1 to 64 lower case letters, digits and underscores, beginning with a letter.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Name { get; init; }

    /// <summary>One of <see cref="StepTypes"/>.</summary>
    public string? Type { get; init; }

    /// <summary>Steps that must have ended, besides those whose values it takes.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? After { get; init; }

    /// <summary>It is skipped unless this holds; so is a step all of whose predecessors were skipped.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public StepCondition? When { get; init; }

    /// <summary><c>fail</c>: the run fails with the step; <c>skip</c>: it goes on, and ends as partially completed. <c>fail</c> when it is left out. For steps that are jobs, and for <c>map</c>, where it holds for each item.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? OnFailure { get; init; }

    /// <summary>For <c>chat</c>: the messages, with placeholders in their content.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ChatMessageInput>? Messages { get; init; }

    /// <summary>For <c>chat</c>: the route or model; <c>default</c> when it is left out.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Model { get; init; }

    /// <summary>For <c>chat</c>: as of a job. With one, the step gives the JSON value; without, the text. For <c>review</c>: what the value must be when a person has changed it. For <c>event</c>: what the posted data must be; other data is refused. For <c>tool</c>, <c>transform</c> and <c>map</c>: what the value must be that the step gives; it fails with another one.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public OutputContract? Contract { get; init; }

    /// <summary>For <c>chat</c>: as of a job.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public KnowledgeQuery? Retrieve { get; init; }

    /// <summary>For <c>chat</c>: up to 16 files that the model is given, each a placeholder for the id of one or a list of ids, or an id. What a placeholder does not find is left out.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Attachments { get; init; }

    /// <summary>For <c>chat</c>: the answer as a file, as of a job, with placeholders in its name. The step gives the answer all the same, and <c>artifacts</c> of the step name the file.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ArtifactRequest? Artifact { get; init; }

    /// <summary>For <c>chat</c>: registered tools that the model may call, in the version that is the newest when the run begins.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Tools { get; init; }

    /// <summary>For <c>chat</c>: as of a job.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? MaxToolCalls { get; init; }

    /// <summary>For <c>chat</c> and <c>tool</c>: as of a job; the run's own when it is left out.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Priority { get; init; }

    /// <summary>For <c>chat</c> and <c>tool</c>: as of a job. Of tools only those that read are called again after a failure.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? MaxAttempts { get; init; }

    /// <summary>For <c>chat</c> and <c>tool</c>: how the waits between its tries grow; as of a job when it is left out.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public StepBackoff? Backoff { get; init; }

    /// <summary>For <c>chat</c>: as of a job.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? MaxOutputTokens { get; init; }

    /// <summary>For <c>chat</c>: as of a job.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? Temperature { get; init; }

    /// <summary>For <c>tool</c>: the registered tool, in the version that is the newest when the run begins. The step gives its result: as JSON if it is, as text if not.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Tool { get; init; }

    /// <summary>For <c>tool</c>: an object with the tool's parameters, with placeholders in its texts; none when it is left out.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? Arguments { get; init; }

    /// <summary>For <c>tool</c>: calls it in the run's own look, which waits for no slot, and not by a job. For tools that come with the worker, only read and need no approval. What is not there within 2 s, fails or breaks its contract is called by a job after all.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public bool? Inline { get; init; }

    /// <summary>For <c>review</c>: what a person is asked, with placeholders; up to 2 000 characters with its values put in.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Question { get; init; }

    /// <summary>For <c>review</c>: how long a person may take, and what happens then; as the installation says when it is left out.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ContractReview? Review { get; init; }

    /// <summary>For <c>transform</c>: any JSON, with placeholders in its texts. For <c>review</c>: the same; what a person approves, perhaps changed, is what the step gives.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? Value { get; init; }

    /// <summary>For <c>map</c>: one placeholder for a list of at most 1 000 items.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Over { get; init; }

    /// <summary>For <c>map</c>: how many items are under way at once, 1 to 50; 5 when it is left out.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Concurrency { get; init; }

    /// <summary>For <c>map</c>: what is done for each item: a step of the type <c>chat</c>, <c>tool</c> or <c>review</c>, without a name.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public WorkflowStep? Step { get; init; }

    /// <summary>For <c>timer</c>: how long it waits; for <c>event</c>: how long for the event, 7 days when it is left out. 0 to 30 days.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? Seconds { get; init; }
}

/// <summary>How long a step waits before it is tried again: half of what these say, and up to all of it by chance, so that not all come back at once. A provider that asks for longer has it.</summary>
public sealed record StepBackoff
{
    /// <summary>After the first failure, 0.1 to 3 600; 4 when it is left out.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? InitialSeconds { get; init; }

    /// <summary>At most, however many failures, 0.1 to 86 400 and no less than <c>initial_seconds</c>; 300 when it is left out.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? MaxSeconds { get; init; }

    /// <summary>How much longer after each further failure, 1 to 10; 2 when it is left out.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? Factor { get; init; }
}

/// <summary>Types of steps.</summary>
public static class StepTypes
{
    /// <summary>A model's answer, by a job of its own.</summary>
    public const string Chat = "chat";

    /// <summary>JSON made of what is there, at once.</summary>
    public const string Transform = "transform";

    /// <summary>A step for each item of a list; gives the list of what each gave.</summary>
    public const string Map = "map";

    /// <summary>Nothing, for a time.</summary>
    public const string Timer = "timer";

    /// <summary>Waits until somebody posts an event with the step's name; gives its data.</summary>
    public const string Event = "event";

    /// <summary>A call of a registered tool, by a job of its own or in the look of its run, with the same guards as if a model had asked for it.</summary>
    public const string Tool = "tool";

    /// <summary>Waits until a person has approved a value; fails when it is refused.</summary>
    public const string Review = "review";

    /// <summary>Every type.</summary>
    public static IReadOnlyList<string> All { get; } = [Chat, Tool, Transform, Map, Timer, Event, Review];

    /// <summary>Those whose steps are jobs.</summary>
    public static IReadOnlyList<string> OfJobs { get; } = [Chat, Tool, Review];
}

/// <summary>Compares a value. Exactly one of the members besides the value is given.</summary>
public sealed record StepCondition
{
    /// <summary>One placeholder.</summary>
    public string? Value { get; init; }

    /// <summary>It is this.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? Equal { get; init; }

    /// <summary>It is not this.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? NotEqual { get; init; }

    /// <summary>It is one of these.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<JsonElement>? In { get; init; }

    /// <summary>It is a number above this.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public decimal? Above { get; init; }
}

/// <summary>What all calls of models that a run's steps make may use together. A call that would go beyond is not made, and its step fails.</summary>
public sealed record RunLimits
{
    /// <summary>US dollars, above 0 up to 1 000 000, counted as it is reserved before each call and settled after it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public decimal? MaxCostUsd { get; init; }

    /// <summary>Tokens of input and output, 1 to 1 000 000 000, counted likewise.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? MaxTokens { get; init; }
}
