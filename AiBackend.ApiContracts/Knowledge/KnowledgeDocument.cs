using System.Text.Json.Serialization;

namespace AiBackend.ApiContracts.Knowledge;

/// <summary>A text that answers may rest on, without the text itself.</summary>
public sealed record KnowledgeDocument
{
    /// <summary>Its id.</summary>
    public required Guid Id { get; init; }

    /// <summary>Where it belongs.</summary>
    public required string Collection { get; init; }

    /// <summary>The caller's name of it, by which it is replaced and deleted.</summary>
    public required string Source { get; init; }

    /// <summary>Counts what was written of this source, from 1.</summary>
    public required int Version { get; init; }

    /// <summary>What it is called.</summary>
    public required string Title { get; init; }

    /// <summary>Its language, as Postgres calls it.</summary>
    public required string Language { get; init; }

    /// <summary>Who may find it; null is everybody of the tenant.</summary>
    public IReadOnlyList<string>? Readers { get; init; }

    /// <summary>Bytes of its text.</summary>
    public required int Bytes { get; init; }

    /// <summary>Passages that it was cut into.</summary>
    public required int Chunks { get; init; }

    /// <summary>When the source changed.</summary>
    public required DateTimeOffset UpdatedAt { get; init; }
}

/// <summary>Puts a text there, in place of what its source had before.</summary>
public sealed record KnowledgeRequest
{
    /// <summary>The caller's name of it: an address, a path, a number; 1 to 500 characters.</summary>
    public string? Source { get; init; }

    /// <summary>What it is called, up to 300 characters; the source when it is left out. Words of it weigh more.</summary>
    public string? Title { get; init; }

    /// <summary>The text, plain or Markdown; the body of a request holds 1 MiB.</summary>
    public string? Text { get; init; }

    /// <summary>Its language, as Postgres calls it: <c>english</c>, <c>german</c>, … or <c>simple</c> for any; <c>english</c> when it is left out.</summary>
    public string? Language { get; init; }

    /// <summary>Who may find it: up to 50 names that searches give; everybody of the tenant when it is left out.</summary>
    public IReadOnlyList<string>? Readers { get; init; }

    /// <summary>When the source changed; now when it is left out. What is older than what is there changes nothing.</summary>
    public DateTimeOffset? UpdatedAt { get; init; }
}

/// <summary>Documents of a collection, newest first.</summary>
/// <param name="Data">The documents.</param>
/// <param name="NextCursor">For the next page; null on the last one.</param>
public sealed record KnowledgeList(IReadOnlyList<KnowledgeDocument> Data, string? NextCursor);

/// <summary>Looks for passages. The same members say in a job's <c>retrieve</c> what its model is given.</summary>
public sealed record KnowledgeQuery
{
    /// <summary>Where to look; only for a job's <c>retrieve</c>: a search names it in its address.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Collection { get; init; }

    /// <summary>What is looked for, up to 2 000 characters: any of its words may match, more of them rank higher. For a job: its last user message when it is left out.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Query { get; init; }

    /// <summary>Passages at most, 1 to 50; 5 when it is left out.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Limit { get; init; }

    /// <summary>For whom: documents with readers are found only by one of them.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Readers { get; init; }

    /// <summary>Leaves out what changed longer ago, in seconds; finds whatever its age when it is left out.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? MaxAgeSeconds { get; init; }

    /// <summary>The language of the query; <c>english</c> when it is left out.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Language { get; init; }
}

/// <summary>A passage that was found.</summary>
/// <param name="Document">Its document.</param>
/// <param name="Source">The document's source.</param>
/// <param name="Title">The document's title.</param>
/// <param name="UpdatedAt">When the source changed.</param>
/// <param name="Chunk">Its place among the document's passages, from 0.</param>
/// <param name="Text">The passage.</param>
/// <param name="Score">How well it fits; comparable within one search only.</param>
public sealed record KnowledgePassage(
    Guid Document,
    string Source,
    string Title,
    DateTimeOffset UpdatedAt,
    int Chunk,
    string Text,
    double Score
);

/// <summary>What was found, best first.</summary>
/// <param name="Data">The passages.</param>
/// <param name="Matching">How they were found.</param>
public sealed record KnowledgePassages(IReadOnlyList<KnowledgePassage> Data, KnowledgeMatching Matching);

/// <summary>How passages were found.</summary>
/// <param name="Mode">
/// <c>hybrid</c>: by their words and by what they mean, merged by their places in both lists. <c>text</c>: by their words alone.
/// </param>
/// <param name="Reason">
/// Why by words alone: <c>no_model</c> (none is set that makes vectors, or no provider has it), <c>no_vectors</c> (no passage here has one yet), <c>provider</c> (it did not
/// answer), <c>limit</c> (what it allows is used up) or <c>budget</c> (there is no money left). Null when both were compared.
/// </param>
/// <param name="Model">Who made the vectors; null when none were compared.</param>
/// <param name="Compared">Passages that were compared by meaning: the newest, if there are more than the operator allows.</param>
public sealed record KnowledgeMatching(string Mode, string? Reason, string? Model, int Compared);

/// <summary>Every <see cref="KnowledgeMatching.Mode"/>.</summary>
public static class KnowledgeModes
{
    /// <summary>By words alone.</summary>
    public const string Text = "text";

    /// <summary>By words and by meaning.</summary>
    public const string Hybrid = "hybrid";
}

/// <summary>Every <see cref="KnowledgeMatching.Reason"/>.</summary>
public static class KnowledgeReasons
{
    /// <summary>No model that makes vectors is set, or no provider has it.</summary>
    public const string NoModel = "no_model";

    /// <summary>There is nothing to compare with yet.</summary>
    public const string NoVectors = "no_vectors";

    /// <summary>The provider did not answer, or refused.</summary>
    public const string Provider = "provider";

    /// <summary>What the provider allows is used up for now.</summary>
    public const string Limit = "limit";

    /// <summary>A budget is spent.</summary>
    public const string Budget = "budget";
}
