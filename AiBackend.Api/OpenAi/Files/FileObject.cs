using AiBackend.Api.OpenAi.Wire;
using AiBackend.Core.Files;

namespace AiBackend.Api.OpenAi.Files;

/// <summary>A file, as OpenAI's clients know it.</summary>
internal sealed record FileObject(string Id, long Bytes, long CreatedAt, long ExpiresAt, string Filename, string Purpose)
{
    public string Object { get; } = "file";

    /// <summary>Clients expect it; there is nothing to wait for.</summary>
    public string Status { get; } = "processed";

    public static FileObject Of(StoredFile file) =>
        new(
            FileIds.Of(file.Id),
            file.Bytes,
            file.CreatedAt.ToUnixTimeSeconds(),
            file.ExpiresAt.ToUnixTimeSeconds(),
            file.Name,
            FilePurpose.Of(file.Purpose)
        );
}

/// <summary>A page of files.</summary>
internal sealed record FileList(IReadOnlyList<FileObject> Data, bool HasMore)
{
    public string Object { get; } = "list";

    public string? FirstId => Data.Count > 0 ? Data[0].Id : null;

    public string? LastId => Data.Count > 0 ? Data[^1].Id : null;
}

/// <summary>Says that a file is gone.</summary>
internal sealed record DeletedFile(string Id)
{
    public string Object { get; } = "file";

    public bool Deleted { get; } = true;
}

/// <summary>Names of files.</summary>
internal static class FileIds
{
    private const string Prefix = "file-";

    public static string Of(Guid id) => $"{Prefix}{id:N}";

    /// <returns>Null when the text is no such name.</returns>
    public static Guid? Parse(string? text) => PrefixedIds.Parse(text, Prefix);
}
