namespace AiBackend.Core.Files;

/// <summary>A file of a tenant, without its content.</summary>
/// <param name="Id">UUIDv7.</param>
/// <param name="TenantId">Whose it is.</param>
/// <param name="Purpose">What for, one of <see cref="FilePurposes"/>.</param>
/// <param name="Name">As its owner calls it: never a path of ours.</param>
/// <param name="Bytes">How long it is.</param>
/// <param name="CreatedAt">When it was begun.</param>
/// <param name="ExpiresAt">When it goes by itself.</param>
public sealed record StoredFile(
    Guid Id,
    Guid TenantId,
    string Purpose,
    string Name,
    long Bytes,
    DateTimeOffset CreatedAt,
    DateTimeOffset ExpiresAt
)
{
    /// <summary>What it is by its bytes, one of <see cref="MediaTypes"/>.</summary>
    public required string MediaType { get; init; }

    /// <summary>SHA-256 of its content; null while it is written, and of files from before it was kept.</summary>
    public byte[]? Sha256 { get; init; }

    /// <summary>Under which id its pieces are: equal files of a tenant share them.</summary>
    public required Guid ContentId { get; init; }
}

/// <summary>What the whole of a file turned out to be.</summary>
/// <param name="Sha256">SHA-256 of it.</param>
/// <param name="MediaType">One of <see cref="MediaTypes"/>.</param>
public sealed record FileContent(byte[] Sha256, string MediaType);

/// <summary>What files are for.</summary>
public static class FilePurposes
{
    /// <summary>Lines that become jobs.</summary>
    public const string Batch = "batch";

    /// <summary>What became of such lines.</summary>
    public const string BatchOutput = "batch_output";

    /// <summary>What jobs give their models.</summary>
    public const string Attachment = "attachment";

    /// <summary>What a job has made.</summary>
    public const string Artifact = "artifact";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> All { get; } = [Batch, BatchOutput, Attachment, Artifact];
}

/// <summary>What became of a wish to delete a file.</summary>
public enum FileDeletion
{
    /// <summary>There is none.</summary>
    NotThere,

    /// <summary>It is gone.</summary>
    Deleted,

    /// <summary>A batch or job that has not ended needs it.</summary>
    Needed,
}
