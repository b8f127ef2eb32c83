using System.Buffers;
using System.Buffers.Text;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using AiBackend.Api.OpenAi.Files;
using AiBackend.Api.Problems;
using AiBackend.Core.Files;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.OpenAi.Reading;

/// <summary>A part of a message that is a picture or a file: one that was uploaded, or one that the request brings along.</summary>
internal sealed class FilePart(BodyMembers values, SentFiles files)
{
    private static readonly MemberTable<FilePart> Url = new()
    {
        ["url"] = (part, value, path) => part.TakeData(value, path),
        ["detail"] = (part, value, path) => part._detail = part.Values.Text(value, path),
    };

    private static readonly MemberTable<FilePart> File = new()
    {
        ["file_id"] = (part, value, path) => part.TakeId(value, path),
        ["file_data"] = (part, value, path) => part.TakeData(value, path),
        ["filename"] = (part, value, path) => part._name = part.Values.Text(value, path),
    };

    private static readonly Dictionary<string, MemberTable<FilePart>> Types = new(StringComparer.Ordinal)
    {
        ["image_url"] = new() { ["type"] = Known, ["image_url"] = (part, value, path) => Url.Read(part, part.Values, value, path) },
        ["file"] = new() { ["type"] = Known, ["file"] = (part, value, path) => File.Read(part, part.Values, value, path) },
        ["input_image"] = new()
        {
            ["type"] = Known,
            ["image_url"] = (part, value, path) => part.TakeData(value, path),
            ["file_id"] = (part, value, path) => part.TakeId(value, path),
            ["detail"] = (part, value, path) => part._detail = part.Values.Text(value, path),
        },
        ["input_file"] = new()
        {
            ["type"] = Known,
            ["file_id"] = (part, value, path) => part.TakeId(value, path),
            ["file_data"] = (part, value, path) => part.TakeData(value, path),
            ["filename"] = (part, value, path) => part._name = part.Values.Text(value, path),
            ["file_url"] = (part, _, path) => part.Values.Unsupported(path, NothingFetched),
        },
    };

    private const string NothingFetched =
        "Nothing is fetched from other addresses: send the file itself as data:…;base64,…, or upload it with POST /v1/files and send its file_id.";

    private string? _name;
    private string? _detail;
    private Guid? _file;
    private byte[]? _data;
    private long _encoded;

    private BodyMembers Values => values;

    public static bool IsOne(JsonElement type) => type.ValueKind == JsonValueKind.String && Types.ContainsKey(type.GetString()!);

    /// <returns>Null when it has a fault, which <paramref name="values"/> knows.</returns>
    public static (Guid File, string? Detail, bool CameAlong)? Read(
        BodyMembers values,
        SentFiles files,
        JsonElement part,
        string type,
        string path
    )
    {
        var reader = new FilePart(values, files);
        Types[type].Read(reader, values, part, path);
        return values.Fault is null ? reader.Finish(type, path) : null;
    }

    private static void Known(FilePart part, JsonElement value, string path) { }

    private (Guid File, string? Detail, bool CameAlong)? Finish(string type, string path)
    {
        if (_file is null == _data is null)
        {
            values.Invalid(path, $"of the type {type} must have either a file_id or the data of a file");
            return null;
        }

        if (_file is { } uploaded)
        {
            files.Note(uploaded, path);
            return (uploaded, _detail, false);
        }

        var usual = type.Contains("image", StringComparison.Ordinal) ? "image" : "file";
        return (files.Add(FileNames.Clean(_name, usual), _data!, _encoded, path), _detail, true);
    }

    private void TakeId(JsonElement value, string path)
    {
        var id = values.Text(value, path);
        if (id is not null && (_file = FileIds.Parse(id)) is null)
        {
            values.Invalid(path, $"is {Quoted.Of(id)}; it must be the id of a file, as POST /v1/files answers");
        }
    }

    /// <summary>A data URL, or base64 alone. What kind of file it says it is does not matter: its bytes tell.</summary>
    private void TakeData(JsonElement value, string path)
    {
        if (value.ValueKind != JsonValueKind.String)
        {
            values.Invalid(path, "must be a string");
            return;
        }

        // Mostly without escapes: then no text of several times the size is made of it.
        var raw = JsonMarshal.GetRawUtf8Value(value)[1..^1];
        _encoded = raw.Length;
        var text = raw.Contains((byte)'\\') ? Encoding.UTF8.GetBytes(value.GetString()!) : raw;
        if (text.StartsWith("http:"u8) || text.StartsWith("https:"u8))
        {
            values.Unsupported(path, $"It was {Quoted.Of(value.GetString()!)}. {NothingFetched}");
            return;
        }

        if (text.StartsWith("data:"u8))
        {
            var comma = text.IndexOf((byte)',');
            if (comma < 0 || !text[..comma].EndsWith(";base64"u8))
            {
                values.Invalid(path, "must be a data URL in base64: data:image/png;base64,… for example");
                return;
            }

            text = text[(comma + 1)..];
        }

        var bytes = new byte[Base64.GetMaxDecodedFromUtf8Length(text.Length)];
        var isWhole = Base64.DecodeFromUtf8(text, bytes, out _, out var length) == OperationStatus.Done;
        if (!isWhole || length == 0)
        {
            values.Invalid(path, isWhole ? "has no bytes" : "is not whole base64");
            return;
        }

        _data = length == bytes.Length ? bytes : bytes[..length];
    }
}
