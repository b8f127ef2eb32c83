using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using AiBackend.Api.Problems;
using AiBackend.Core.Files;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;
using static System.FormattableString;

namespace AiBackend.Api.OpenAi.Files;

/// <summary>Reads an upload as it comes: its file goes to the store piece by piece, whatever the order of its parts.</summary>
internal sealed class ReceiveFile(FileStore store, StoredFile file, long mostBytes)
{
    /// <summary>The one purpose that is taken.</summary>
    public const string Purpose = "batch";

    private const int MostParts = 8;
    private const int LongestField = 256;
    private const int LongestName = 255;
    private static readonly TimeSpan ShortestLife = TimeSpan.FromHours(1);
    private static readonly TimeSpan LongestLife = TimeSpan.FromDays(30);

    private string? _name;
    private string? _purpose;
    private string? _anchor;
    private string? _seconds;
    private byte[] _hash = [];

    public string Name => _name!;

    /// <summary>Null leaves it to the server.</summary>
    public TimeSpan? KeptFor { get; private set; }

    /// <summary>SHA-256 of all that was sent.</summary>
    public byte[] Fingerprint => SHA256.HashData([.. _hash, .. Encoding.UTF8.GetBytes(Invariant($"{_name}\0{KeptFor}"))]);

    /// <returns>Why it is refused, or null; then the whole content is in the store.</returns>
    public async Task<Refusal?> ReadAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        if (BoundaryOf(request) is not { } boundary)
        {
            return ProblemTypes.UnsupportedMediaType.With("Send the file as multipart/form-data, with the fields purpose and file.");
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

        return Check();
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
        if (name == "file")
        {
            return _name is not null ? Twice(name) : await StoreAsync(section, disposition, cancellationToken);
        }

        return name switch
        {
            "purpose" => await ReadFieldAsync(section, name, _purpose, value => _purpose = value, cancellationToken),
            "expires_after[anchor]" => await ReadFieldAsync(section, name, _anchor, value => _anchor = value, cancellationToken),
            "expires_after[seconds]" => await ReadFieldAsync(section, name, _seconds, value => _seconds = value, cancellationToken),
            _ => ProblemTypes.UnknownMember.At(
                name,
                $"The form has the field {Quoted.Of(name)}. There are purpose, file, expires_after[anchor] and expires_after[seconds]."
            ),
        };
    }

    private static async Task<Refusal?> ReadFieldAsync(
        MultipartSection section,
        string name,
        string? before,
        Action<string> take,
        CancellationToken cancellationToken
    )
    {
        if (before is not null)
        {
            return Twice(name);
        }

        var bytes = new byte[LongestField + 1];
        var length = await section.Body.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken);
        if (length > LongestField)
        {
            return Invalid(name, Invariant($"{name} has more than {LongestField} bytes."));
        }

        take(Encoding.UTF8.GetString(bytes, 0, length));
        return null;
    }

    private async Task<Refusal?> StoreAsync(
        MultipartSection section,
        ContentDispositionHeaderValue disposition,
        CancellationToken cancellationToken
    )
    {
        _name = NameOf(
            HeaderUtilities.RemoveQuotes(disposition.FileNameStar.HasValue ? disposition.FileNameStar : disposition.FileName).Value
        );
        using var writer = new FileWriter(store, file);
        var buffer = new byte[64 * 1024];
        int read;
        while ((read = await section.Body.ReadAsync(buffer, cancellationToken)) > 0)
        {
            if (writer.Length == 0 && !LooksLikeLines(buffer.AsSpan(0, read)))
            {
                return Invalid(
                    "file",
                    "The file does not begin with a JSON object. Send JSON lines in UTF-8, not packed, one object a line."
                );
            }

            if (writer.Length + read > mostBytes)
            {
                return ProblemTypes.BodyTooLarge.With(Invariant($"The file has more than {mostBytes} bytes. Send several smaller ones."));
            }

            if (!await writer.WriteAsync(buffer.AsMemory(0, read), cancellationToken))
            {
                return Full();
            }
        }

        if (writer.Length == 0)
        {
            return Invalid("file", "The file is empty.");
        }

        (var hasRoom, _hash) = await writer.EndAsync(cancellationToken);
        return hasRoom ? null : Full();
    }

    /// <summary>What it is and not what it says it is: archives, pages, pictures and programs begin otherwise.</summary>
    private static bool LooksLikeLines(ReadOnlySpan<byte> head) => head.TrimStart(" \t\r\n"u8) is [(byte)'{', ..];

    /// <summary>Only for people to read: the last part of a path, without what could be taken for something else.</summary>
    private static string NameOf(string? sent)
    {
        var name = (sent ?? "").Split('/', '\\')[^1];
        name = string.Concat(name.Where(character => !char.IsControl(character) && character is not '"'));
        return name switch
        {
            "" or "." or ".." => "file.jsonl",
            // Never half of a character that takes two.
            { Length: > LongestName } => name[..(char.IsHighSurrogate(name[LongestName - 1]) ? LongestName - 1 : LongestName)],
            _ => name,
        };
    }

    private Refusal? Check()
    {
        if (_purpose != Purpose)
        {
            return Invalid("purpose", $"purpose is {(_purpose is null ? "missing" : Quoted.Of(_purpose))}; only {Purpose} is taken here.");
        }

        if (_name is null)
        {
            return Invalid("file", "file is missing; send its content as the field file, with a file name.");
        }

        if (_anchor is null && _seconds is null)
        {
            return null;
        }

        if (_anchor is not "created_at")
        {
            return Invalid("expires_after", "expires_after[anchor] must be created_at.");
        }

        if (
            !int.TryParse(_seconds, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
            || TimeSpan.FromSeconds(seconds) is var life && (life < ShortestLife || life > LongestLife)
        )
        {
            return Invalid("expires_after", "expires_after[seconds] must be a whole number from 3600 to 2592000.");
        }

        KeptFor = TimeSpan.FromSeconds(seconds);
        return null;
    }

    private static Refusal Twice(string name) => ProblemTypes.DuplicateMember.At(name, $"The form has {name} more than once.");

    private static Refusal Invalid(string field, string detail) =>
        field.Length == 0 ? ProblemTypes.InvalidValue.With(detail) : ProblemTypes.InvalidValue.At(field, detail);

    private static Refusal Full() =>
        ProblemTypes.FilesFull.With(
            "The files of this tenant take all the room they may (Files__MaxBytesPerTenant). Delete some, or wait until some expire."
        );
}
