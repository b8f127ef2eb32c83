using System.Text.Json;
using System.Text.Json.Serialization;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Reviews;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Jobs;
using static System.FormattableString;

namespace AiBackend.Core.Workflows;

/// <summary>What a step's job is given, with values in place of placeholders.</summary>
/// <param name="Type">The kind of job.</param>
/// <param name="Json">Its input.</param>
/// <param name="Version">The oldest version of workers that understands it.</param>
public sealed record StepInput(JobType Type, string Json, short Version)
{
    /// <summary>What is looked for in the tenant's texts; null leaves that to the chat.</summary>
    public string? Query { get; init; }

    /// <summary>What its result must be; null is as the step says.</summary>
    public OutputContract? Contract { get; init; }

    /// <summary>Files that the model is given.</summary>
    public IReadOnlyList<Guid> Files { get; private init; } = [];

    /// <summary>What the file is called that its answer becomes, as the values say it; null when it becomes none.</summary>
    public string? FileName { get; private init; }

    // As for whoever searches, and whoever reads.
    private const int MaxQuery = 2000;

    /// <param name="step">A step whose work is a job.</param>
    /// <param name="values">What placeholders stand for.</param>
    /// <param name="fault">Why that is nothing one can ask, as a sentence; null when it is.</param>
    /// <returns>Null when there is a fault.</returns>
    public static StepInput? Of(WorkflowStep step, WorkflowValues values, out string? fault) =>
        step.Type switch
        {
            StepTypes.Tool when step.Tool is null => None(out fault),
            StepTypes.Review when step.Question is null || step.Value is null => None(out fault),
            StepTypes.Tool => OfTool(step, values, out fault),
            StepTypes.Review => OfReview(step, values, out fault),
            _ => OfChat(step, values, out fault),
        };

    /// <summary>A server of the version before has begun the run, and left out what it did not know.</summary>
    private static StepInput? None(out string? fault)
    {
        fault = "What the step does is missing, because a server of an older version began the run. Run the workflow again.";
        return null;
    }

    private static StepInput? OfChat(WorkflowStep step, WorkflowValues values, out string? fault)
    {
        long room = StepValues.MaxBytes;
        var messages = new List<ChatMessageInput>();
        foreach (var message in step.Messages ?? [])
        {
            var content = message.Content is { } template ? WorkflowTemplates.Text(template, values, ref room) : null;
            if (room < 0)
            {
                fault = StepValues.TooLarge(StepValues.MaxBytes - room);
                return null;
            }

            // What is empty in the definition is refused there.
            if (string.IsNullOrWhiteSpace(content) && !string.IsNullOrEmpty(message.Content))
            {
                fault = Invariant(
                    $"messages[{messages.Count}] is empty: the values of its placeholders are. Skip the step with when, or put words around them."
                );
                return null;
            }

            messages.Add(message with { Content = content });
        }

        var query = Short("retrieve.query", step.Retrieve?.Query, values, out fault);
        var files = StepFiles.Of(step, values, ref fault);
        // Of a longer one the rest is left out: it is for people.
        var name = fault is null ? Short("artifact.name", step.Artifact?.Name, values, out fault) : null;
        var chat = new ChatInput
        {
            Messages = messages,
            MaxOutputTokens = step.MaxOutputTokens,
            Temperature = step.Temperature,
            Tools = step.Tools?.Select(name => new OfferedTool { Registered = name }).ToList(),
        };
        // Nothing is looked for by what has no words: the chat says it then.
        return fault is null
            ? new StepInput(JobType.Chat, JsonSerializer.Serialize(chat, WireJson.Default.ChatInput), JobSchema.Of(chat))
            {
                Query = string.IsNullOrWhiteSpace(query) ? null : query,
                Files = files,
                FileName = name,
            }
            : null;
    }

    private static StepInput? OfTool(WorkflowStep step, WorkflowValues values, out string? fault)
    {
        fault = null;
        var arguments = step.Arguments is { } template ? WorkflowTemplates.Json(template, values, out fault) : StepValues.Read("{}");
        return arguments is { } given ? new StepInput(JobType.Tool, new ToolStepInput(step.Tool!, given).ToJson(), JobSchema.Steps) : null;
    }

    private static StepInput? OfReview(WorkflowStep step, WorkflowValues values, out string? fault)
    {
        var question = Short("question", step.Question, values, out fault);
        if (fault is not null || WorkflowTemplates.Json(step.Value!.Value, values, out fault) is not { } value)
        {
            return null;
        }

        if (value.ValueKind == JsonValueKind.String && string.IsNullOrWhiteSpace(value.GetString()))
        {
            fault = "value is empty, which nobody can approve. Skip the step with when.";
            return null;
        }

        return new StepInput(JobType.Review, new ReviewStepInput(question!, value, step.Review).ToJson(), JobSchema.Steps)
        {
            // Whoever changes JSON gives JSON.
            Contract =
                step.Contract ?? (value.ValueKind == JsonValueKind.String ? null : new OutputContract { Schema = StepValues.Read("{}") }),
        };
    }

    private static string? Short(string member, string? template, WorkflowValues values, out string? fault)
    {
        long room = MaxQuery * 4;
        var text = template is null ? null : WorkflowTemplates.Text(template, values, ref room);
        fault =
            room < 0 || text?.Length > MaxQuery
                ? Invariant($"{member} has more than {MaxQuery} characters with its values put in. Take parts of them.")
                : null;
        return text;
    }
}

/// <summary>The input of a job that calls a tool.</summary>
/// <param name="Tool">Which.</param>
/// <param name="Arguments">What it is given.</param>
public sealed record ToolStepInput(string Tool, JsonElement Arguments)
{
    /// <summary>As it is stored.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, StepInputJson.Default.ToolStepInput);

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    public static ToolStepInput Read(string json) => JsonSerializer.Deserialize(json, StepInputJson.Default.ToolStepInput)!;
}

/// <summary>The input of a job that asks a person.</summary>
/// <param name="Question">What.</param>
/// <param name="Value">What it is about.</param>
/// <param name="Review">How long, and what happens then; null as the installation says.</param>
public sealed record ReviewStepInput(string Question, JsonElement Value, ContractReview? Review)
{
    /// <summary>The value as text: what is approved is the job's output.</summary>
    [JsonIgnore]
    public string Proposal => Value.ValueKind == JsonValueKind.String ? Value.GetString()! : Value.GetRawText();

    /// <summary>As it is stored.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, StepInputJson.Default.ReviewStepInput);

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    public static ReviewStepInput Read(string json) => JsonSerializer.Deserialize(json, StepInputJson.Default.ReviewStepInput)!;
}

/// <summary>Inputs of steps' jobs as they are stored; members that a newer version added are passed over.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull
)]
[JsonSerializable(typeof(ToolStepInput))]
[JsonSerializable(typeof(ReviewStepInput))]
internal sealed partial class StepInputJson : JsonSerializerContext;
