namespace AiBackend.Core.Files;

/// <summary>A file of a tenant, without its content.</summary>
/// <param name="Id">UUIDv7.</param>
/// <param name="TenantId">Whose it is.</param>
/// <param name="Purpose">What for.</param>
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
);

/// <summary>What became of a wish to delete a file.</summary>
public enum FileDeletion
{
    /// <summary>There is none.</summary>
    NotThere,

    /// <summary>It is gone.</summary>
    Deleted,

    /// <summary>A batch that has not ended reads it.</summary>
    Needed,
}
