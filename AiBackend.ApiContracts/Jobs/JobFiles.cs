using System.Text.Json.Serialization;

namespace AiBackend.ApiContracts.Jobs;

/// <summary>Names a file that a job's model is given.</summary>
public sealed record Attachment
{
    /// <summary>Files that a job can be given.</summary>
    public const int Most = 16;

    /// <summary>Its id, as <c>POST /api/v1/files</c> answered.</summary>
    public Guid? File { get; init; }
}

/// <summary>Names a file that comes with a message.</summary>
public sealed record MessageAttachment
{
    /// <summary>Its id, as <c>POST /api/v1/files</c> answered.</summary>
    public Guid? File { get; init; }

    /// <summary>
    /// How closely a picture is looked at: <c>auto</c>, <c>low</c> or <c>high</c>. Null leaves it to the provider, and so do providers that are not told, such
    /// as Anthropic.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Detail { get; init; }
}

/// <summary>Asks for the answer as a file.</summary>
public sealed record ArtifactRequest
{
    /// <summary>What it is to be called: 1 to 255 characters, without a path.</summary>
    public string? Name { get; init; }

    /// <summary>One of <see cref="ArtifactTypes"/>. An answer that is not of this type is no answer.</summary>
    public string? Type { get; init; }
}

/// <summary>What an answer can be as a file.</summary>
public static class ArtifactTypes
{
    /// <summary>Any text.</summary>
    public const string Text = "text/plain";

    /// <summary>Any text.</summary>
    public const string Markdown = "text/markdown";

    /// <summary>Rows of as many fields each.</summary>
    public const string Csv = "text/csv";

    /// <summary>One JSON value.</summary>
    public const string Json = "application/json";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> All { get; } = [Text, Markdown, Csv, Json];
}

/// <summary>A file of a job.</summary>
/// <param name="File">Its id: <c>/api/v1/files/{id}/content</c> has its bytes.</param>
/// <param name="Name">What it is called.</param>
/// <param name="MediaType">What it is by its bytes.</param>
/// <param name="Bytes">How long it is.</param>
public sealed record JobFile(Guid File, string Name, string MediaType, long Bytes)
{
    /// <summary>How many messages it comes with; left out of one that comes before the last message of a user.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public int InMessages { get; init; }
}
