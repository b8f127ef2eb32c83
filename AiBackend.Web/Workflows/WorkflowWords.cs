using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Web.Api;
using AiBackend.Web.Runs;
using static System.FormattableString;

namespace AiBackend.Web.Workflows;

/// <summary>Workflows in words for people.</summary>
internal static partial class WorkflowWords
{
    /// <summary>Makes a workflow of one step, to begin with.</summary>
    public const string FirstCall = """
        curl -X PUT "$AIBACKEND_URL/api/v1/workflows/greet" \
          -H "Authorization: Bearer $AIBACKEND_KEY" -H "Content-Type: application/json" \
          -d '{ "steps": [ { "name": "greeting", "type": "chat",
                "messages": [ { "role": "user", "content": "Greet {{input.who}} in one sentence." } ] } ] }'
        """;

    // Beyond that a list of workflows counts no further.
    private const int MostRuns = 1_000;

    // Shown as text and never as markup.
    private static readonly JsonSerializerOptions Readable = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static string RunCall(string name, bool takesInput) =>
        $$"""
            curl "$AIBACKEND_URL/api/v1/workflows/{{name}}/runs" \
              -H "Authorization: Bearer $AIBACKEND_KEY" -H "Content-Type: application/json" \
              -d '{{(takesInput ? "{ \"input\": { } }" : "{ }")}}'
            """;

    public static string Runs(int? runs) => runs >= MostRuns ? RunWords.Number(MostRuns) + " or more" : RunWords.Number(runs ?? 0);

    /// <summary>The workflow and version that a run's title names; null of every other job.</summary>
    public static (string Name, int Version)? Of(Job job) =>
        job.Type == "workflow"
        && RunTitle().Match(job.Title ?? "") is { Success: true } title
        && int.TryParse(title.Groups["version"].ValueSpan, CultureInfo.InvariantCulture, out var version)
            ? (title.Groups["name"].Value, version)
            : null;

    public static string AddressOf(string name, int? version = null) =>
        "workflows/" + Uri.EscapeDataString(name) + (version is { } number ? Invariant($"?version={number}") : "");

    public static string Icon(WorkflowStep step) =>
        step.Type switch
        {
            StepTypes.Chat => "ask",
            StepTypes.Tool => "plug",
            StepTypes.Review => "person",
            StepTypes.Map => "runs",
            StepTypes.Timer => "hourglass",
            StepTypes.Event => "hook",
            _ => "pen",
        };

    /// <summary>What a step does.</summary>
    public static string Does(WorkflowStep step) =>
        step.Type switch
        {
            StepTypes.Chat => "asks " + (step.Model ?? "default"),
            StepTypes.Tool => "calls " + step.Tool,
            StepTypes.Review => "asks a person",
            StepTypes.Transform => "makes a value",
            StepTypes.Map when step.Step is { } inner => $"for each of {step.Over}: {Does(inner)}",
            StepTypes.Timer => Invariant($"waits for {step.Seconds} s"),
            StepTypes.Event => "waits for an event",
            _ => step.Type ?? "",
        };

    /// <summary>Steps that it takes values of, or waits for.</summary>
    public static string? After(WorkflowStep step)
    {
        var json = JsonSerializer.Serialize(step, ClientJson.Lenient.WorkflowStep);
        var names = Taken().Matches(json).Select(match => match.Groups["name"].Value).Concat(step.After ?? []);
        return string.Join(", ", names.Distinct(StringComparer.Ordinal)) is { Length: > 0 } all ? "after " + all : null;
    }

    /// <summary>What else is said of a step.</summary>
    public static IEnumerable<string> Facts(WorkflowStep step)
    {
        var work = step.Step ?? step;
        return new[]
        {
            step.When is null ? null : $"only if {step.When.Value} is as asked",
            work.Contract is null ? null : "with a contract",
            work.Tools is { Count: > 0 } tools ? "may call " + string.Join(", ", tools) : null,
            work.Artifact is { } artifact ? $"makes the file {artifact.Name}" : null,
            work.Inline is true ? "at once, without a job" : null,
            work.Priority,
            work.MaxAttempts is { } most ? RunWords.Count(most, "try", "tries") : null,
            work.Backoff is null ? null : "with waits of its own",
            step.OnFailure == "skip" ? "may fail" : null,
        }.OfType<string>();
    }

    public static string Pretty(JsonElement json) => JsonSerializer.Serialize(json, Readable);

    public static string Pretty(WorkflowDefinition definition) =>
        Pretty(JsonSerializer.SerializeToElement(definition, ClientJson.Lenient.WorkflowDefinition));

    [GeneratedRegex(@"^(?<name>[A-Za-z0-9][A-Za-z0-9._-]*) v(?<version>[0-9]{1,9})\z", RegexOptions.None, 1000)]
    private static partial Regex RunTitle();

    [GeneratedRegex(@"\{\{\s*steps\.(?<name>[a-z][a-z0-9_]*)", RegexOptions.None, 1000)]
    private static partial Regex Taken();
}
