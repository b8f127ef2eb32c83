namespace AiBackend.Core.Jobs;

/// <summary>Kinds of work. The numbers are stored; never renumber.</summary>
public enum JobType : short
{
    /// <summary>One model answer to a conversation.</summary>
    Chat = 1,

    /// <summary>Nothing: measures the queue itself. Refused in Production.</summary>
    Noop = 2,

    /// <summary>A run of a workflow: begins the jobs of its steps, and waits for them without a slot.</summary>
    Workflow = 3,

    /// <summary>A step of a run that calls a registered tool.</summary>
    Tool = 4,

    /// <summary>A step of a run that asks a person about a value.</summary>
    Review = 5,
}

/// <summary>How urgent a job is. The numbers are stored and sort: lower goes first.</summary>
public enum JobPriority : short
{
    /// <summary>A person watches.</summary>
    Interactive = 0,

    /// <summary>The default.</summary>
    Standard = 1,

    /// <summary>Whenever there is room.</summary>
    Batch = 2,
}

/// <summary>How an attempt ended. The numbers are stored; never renumber.</summary>
public enum AttemptOutcome : short
{
    /// <summary>The whole result.</summary>
    Succeeded = 1,

    /// <summary>A useful part of the result.</summary>
    Partial = 2,

    /// <summary>An error; see the error columns.</summary>
    Failed = 3,

    /// <summary>Ended by a caller or operator.</summary>
    Cancelled = 4,

    /// <summary>Given back by a draining worker; not counted against the job.</summary>
    Interrupted = 5,

    /// <summary>Its worker died or lost the lease.</summary>
    Lost = 6,

    /// <summary>It asked for a tool's result or a person's decision; not counted against the job.</summary>
    Asked = 7,
}

/// <summary>Names on the wire of the closed sets of a job.</summary>
public static class JobTraitNames
{
    private static readonly string[] Priorities = ["interactive", "standard", "batch"];
    private static readonly string[] Outcomes = ["running", "succeeded", "partial", "failed", "cancelled", "interrupted", "lost", "asked"];

    /// <summary>Every priority, most urgent first.</summary>
    public static IReadOnlyList<string> AllPriorities => Priorities;

    /// <summary>The wire name of a type.</summary>
    public static string ToWire(this JobType type) =>
        type switch
        {
            JobType.Chat => "chat",
            JobType.Noop => "noop",
            JobType.Workflow => "workflow",
            JobType.Tool => "tool",
            JobType.Review => "review",
            _ => "unknown",
        };

    /// <summary>Whether its model is what it is for; of steps and runs it says only where they wait.</summary>
    public static bool IsOfModel(this JobType type) => type is JobType.Chat or JobType.Noop;

    /// <summary>The wire name of a priority; one of a newer version reads as <c>unknown</c>.</summary>
    public static string ToWire(this JobPriority priority) => Priorities.ElementAtOrDefault((int)priority) ?? "unknown";

    /// <summary>The wire name of an outcome; one of a newer version reads as <c>unknown</c>.</summary>
    public static string ToWire(this AttemptOutcome outcome) => Outcomes.ElementAtOrDefault((int)outcome) ?? "unknown";

    /// <returns>False when <paramref name="name"/> is not a priority.</returns>
    public static bool TryParsePriority(string name, out JobPriority priority)
    {
        var index = Array.IndexOf(Priorities, name);
        priority = (JobPriority)index;
        return index >= 0;
    }

    /// <returns>False when <paramref name="name"/> is not a type this server knows.</returns>
    public static bool TryParseType(string name, out JobType type)
    {
        type = name switch
        {
            "chat" => JobType.Chat,
            "noop" => JobType.Noop,
            "workflow" => JobType.Workflow,
            "tool" => JobType.Tool,
            "review" => JobType.Review,
            _ => default,
        };
        return type != default;
    }
}
