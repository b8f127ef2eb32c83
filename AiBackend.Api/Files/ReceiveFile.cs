using System.Security.Cryptography;
using System.Text;
using AiBackend.Api.Problems;
using AiBackend.Core.Files;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;
using static System.FormattableString;

namespace AiBackend.Api.Files;

/// <summary>Reads an upload as it comes: its file goes to the store piece by piece, whatever the order of its parts.</summary>
internal sealed class ReceiveFile(FileStore store, StoredFile file, UploadForm form, long mostBytes)
{
    private const int MostParts = 8;
    private const int LongestField = 256;

    private string? _name;
    private byte[] _hash = [];

    public string Name => _name!;

    /// <summary>What was sent; set once all of it is in the store.</summary>
    public FileContent Content { get; private set; } = null!;

    /// <summary>SHA-256 of all that was sent.</summary>
    public byte[] Fingerprint => SHA256.HashData([.. _hash, .. Encoding.UTF8.GetBytes(Invariant($"{_name}\0{form.KeptFor}{form.Kind}"))]);

    public static Refusal Twice(string field) => ProblemTypes.DuplicateMember.At(field, $"The form has {field} more than once.");

    /// <returns>Why it is refused, or null; then the whole content is in the store.</returns>
    public async Task<Refusal?> ReadAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        if (BoundaryOf(request) is not { } boundary)
        {
            return ProblemTypes.UnsupportedMediaType.With("Send the file as multipart/form-data, with its content in the field file.");
        }

        var reader = new MultipartReader(boundary, request.Body) { HeadersCountLimit = 8, HeadersLengthLimit = 4096 };
        try
        {
            for (var parts = 0; await reader.ReadNextSectionAsync(cancellationToken) is { } section; parts++)
            {
                if (parts == MostParts)
                {
                    return Invalid("", Invariant($"The form has more than {MostParts} fields."));
                }

                if (await TakeAsync(section, cancellationToken) is { } refusal)
                {
                    return refusal;
                }
            }
        }
        catch (Exception malformed) when (malformed is InvalidDataException or IOException and not BadHttpRequestException)
        {
            return Invalid("", "The body is not whole multipart/form-data.");
        }

        return form.Check()
            ?? (_name is null ? Invalid("file", "file is missing; send its content as the field file, with a file name.") : null);
    }

    private static string? BoundaryOf(HttpRequest request) =>
        request.Headers.ContentEncoding.Count == 0
        && MediaTypeHeaderValue.TryParse(request.ContentType, out var type)
        && type.MediaType.Equals("multipart/form-data", StringComparison.OrdinalIgnoreCase)
        && HeaderUtilities.RemoveQuotes(type.Boundary).Value is { Length: > 0 and <= 70 } boundary
            ? boundary
            : null;

    private async Task<Refusal?> TakeAsync(MultipartSection section, CancellationToken cancellationToken)
    {
        if (
            !ContentDispositionHeaderValue.TryParse(section.ContentDisposition, out var disposition)
            || !disposition.IsFormDisposition() && !disposition.IsFileDisposition()
        )
        {
            return Invalid("", "A part of the form has no name.");
        }

        var name = HeaderUtilities.RemoveQuotes(disposition.Name).Value ?? "";
        return name == "file"
            ? _name is not null
                ? Twice(name)
                : await StoreAsync(section, disposition, cancellationToken)
            : form.CheckName(name) ?? await ReadFieldAsync(section, name, cancellationToken);
    }

    private async Task<Refusal?> ReadFieldAsync(MultipartSection section, string name, CancellationToken cancellationToken)
    {
        var bytes = new byte[LongestField + 1];
        var length = await section.Body.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken);
        if (length > LongestField)
        {
            return Invalid(name, Invariant($"{name} has more than {LongestField} bytes."));
        }

        form.Take(name, Encoding.UTF8.GetString(bytes, 0, length));
        return null;
    }

    private async Task<Refusal?> StoreAsync(
        MultipartSection section,
        ContentDispositionHeaderValue disposition,
        CancellationToken cancellationToken
    )
    {
        _name = FileNames.Clean(
            HeaderUtilities.RemoveQuotes(disposition.FileNameStar.HasValue ? disposition.FileNameStar : disposition.FileName).Value,
            form.UsualName
        );
        using var writer = new FileWriter(store, file);
        var buffer = new byte[64 * 1024];
        int read;
        while ((read = await section.Body.ReadAsync(buffer, cancellationToken)) > 0)
        {
            if (writer.Length == 0 && form.CheckHead(buffer.AsSpan(0, read)) is { } refusal)
            {
                return refusal;
            }

            if (writer.Length + read > mostBytes)
            {
                return ProblemTypes.BodyTooLarge.With(Invariant($"The file has more than {mostBytes} bytes. Send several smaller ones."));
            }

            if (!await writer.WriteAsync(buffer.AsMemory(0, read), cancellationToken))
            {
                return FullFiles.Refusal;
            }
        }

        if (writer.Length == 0)
        {
            return Invalid("file", "The file is empty.");
        }

        (var hasRoom, _hash) = await writer.EndAsync(cancellationToken);
        Content = writer.Describe(_name);
        return hasRoom ? null : FullFiles.Refusal;
    }

    private static Refusal Invalid(string field, string detail) =>
        field.Length == 0 ? ProblemTypes.InvalidValue.With(detail) : ProblemTypes.InvalidValue.At(field, detail);
}
