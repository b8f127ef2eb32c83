namespace AiBackend.ApiContracts.Files;

/// <summary>A file, without its content.</summary>
public sealed record TenantFile
{
    /// <summary>UUIDv7; its order is the order of creation.</summary>
    public required Guid Id { get; init; }

    /// <summary>Always <c>file</c>.</summary>
    public string Object { get; init; } = "file";

    /// <summary>As its sender called it, without a path.</summary>
    public required string Name { get; init; }

    /// <summary>
    /// What it is by its bytes, whatever its sender called it: <c>text/plain</c>, <c>text/markdown</c>, <c>text/csv</c>,
    /// <c>application/json</c>, <c>application/pdf</c>, <c>image/png</c>, <c>image/jpeg</c>, <c>image/gif</c>, <c>image/webp</c>, or
    /// <c>application/octet-stream</c>, which no model can be given.
    /// </summary>
    public required string MediaType { get; init; }

    /// <summary>How long it is.</summary>
    public required long Bytes { get; init; }

    /// <summary>SHA-256 of its content in hexadecimal; null for files from before it was kept.</summary>
    public required string? Sha256 { get; init; }

    /// <summary>What it is for: <c>attachment</c>, <c>artifact</c>, <c>batch</c> or <c>batch_output</c>.</summary>
    public required string Purpose { get; init; }

    /// <summary>When it came.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it goes by itself; later while a job or batch that has not ended needs it.</summary>
    public required DateTimeOffset ExpiresAt { get; init; }
}

/// <summary>A page of files, newest first.</summary>
/// <param name="Data">The files.</param>
/// <param name="NextCursor">For the next page; null on the last one.</param>
public sealed record TenantFileList(IReadOnlyList<TenantFile> Data, string? NextCursor);
