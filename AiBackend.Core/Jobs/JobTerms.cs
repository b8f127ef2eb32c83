using System.Text.Json;
using System.Text.Json.Serialization;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Conversations;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Knowledge;

namespace AiBackend.Core.Jobs;

/// <summary>What is asked of a job besides its input. Pinned when it is accepted, so that a later change of a route or prompt does not reach it.</summary>
public sealed record JobTerms
{
    /// <summary>What its answer must be; null is anything.</summary>
    public OutputContract? Contract { get; init; }

    /// <summary>What its model is given besides the messages; null is nothing.</summary>
    public KnowledgeQuery? Retrieve { get; init; }

    /// <summary>The conversation that it continues; null is none.</summary>
    public JobConversation? Conversation { get; init; }

    /// <summary>Files that its model is given; null is none. What they are is pinned when the job is new.</summary>
    public IReadOnlyList<JobFile>? Attachments { get; init; }

    /// <summary>The file that its answer becomes; null is none.</summary>
    public ArtifactTerms? Artifact { get; init; }

    /// <summary>The stored prompt that its first messages were made of, <c>name@version</c>; null when the caller wrote all of them.</summary>
    public string? Prompt { get; init; }

    /// <summary>Registered tools that its model may call; null is none.</summary>
    public ToolTerms? Tools { get; init; }

    /// <summary>The run that it is a step of, where that has limits; null is none.</summary>
    public RunTerms? Run { get; init; }

    /// <summary>How the waits between its tries grow; null is usual. An older worker waits as usual.</summary>
    public Backoff? Backoff { get; init; }

    /// <summary>Whether an answer may be replaced by another one after it was streamed, without a failure.</summary>
    [JsonIgnore]
    public bool MayAnswerAnew => Contract is not null || Tools is not null || Artifact?.Type == ArtifactTypes.Csv;

    /// <summary>What its answer must be, where others may say it who have less of a say. What becomes a table or a text is none of the JSON that they ask for.</summary>
    public OutputContract? ContractOr(Func<OutputContract?> others) =>
        Contract
        ?? Artifact?.Type switch
        {
            null => others(),
            ArtifactTypes.Json => others() ?? new OutputContract(),
            _ => null,
        };

    /// <summary>Models that are asked for their opinion, besides the job's own.</summary>
    [JsonIgnore]
    public IEnumerable<string> Judges =>
        (Contract?.Rules ?? [])
            .Where(rule => rule.Rule == ContractRules.Judge)
            .Select(rule => rule.Model!)
            .Distinct(StringComparer.Ordinal);

    /// <summary>The oldest version of workers that may run a job with these terms, see <see cref="JobSchema"/>.</summary>
    [JsonIgnore]
    public short Version =>
        Run is not null ? JobSchema.Steps
        : Attachments is not null || Artifact is not null ? JobSchema.Files
        : JobSchema.Terms;

    /// <summary>Nothing.</summary>
    public static JobTerms None { get; } = new();

    /// <returns>Null when nothing is asked.</returns>
    public string? ToColumn() => this == None ? null : JsonSerializer.Serialize(this, JobTermsJson.Default.JobTerms);

    /// <summary>Reads what <see cref="ToColumn"/> wrote.</summary>
    public static JobTerms Read(string? column) =>
        column is null ? None : JsonSerializer.Deserialize(column, JobTermsJson.Default.JobTerms)!;
}

/// <summary>The file that a job's answer becomes (0056_job_files.sql).</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Type">What the answer must be, one of <see cref="ArtifactTypes"/>.</param>
/// <param name="KeptForSeconds">How long; decided when the job is new.</param>
public sealed record ArtifactTerms(string Name, string Type, int? KeptForSeconds = null);

/// <summary>Registered tools that a job's model may call.</summary>
/// <param name="Pinned">Which, in the version of its acceptance.</param>
/// <param name="MaxCalls">How many calls it may make; null is the installation's limit.</param>
public sealed record ToolTerms(IReadOnlyList<PinnedTool> Pinned, int? MaxCalls = null);

/// <summary>What all steps of a run may use together.</summary>
/// <param name="Id">The run.</param>
/// <param name="MaxCostUsd">US dollars; null is no limit.</param>
/// <param name="MaxTokens">Tokens of input and output; null is no limit.</param>
public sealed record RunTerms(Guid Id, decimal? MaxCostUsd, long? MaxTokens);

/// <summary>One version of a tool.</summary>
/// <param name="Name">The tool.</param>
/// <param name="Version">From 1; 0 comes with the product, or is not decided yet.</param>
public sealed record PinnedTool(string Name, int Version);

/// <summary>Terms as they are stored. A newer version may have added members, which an older one never sees: see <see cref="JobSchema.Terms"/>.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull
)]
[JsonSerializable(typeof(JobTerms))]
internal sealed partial class JobTermsJson : JsonSerializerContext;
