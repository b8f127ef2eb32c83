using System.Text.Json;
using AiBackend.Api.OpenAi.Reading;
using AiBackend.Api.Problems;
using static System.FormattableString;

namespace AiBackend.Api.OpenAi.Embeddings;

/// <summary>Reads the body of a request for embeddings, of which every parameter is in the table.</summary>
internal sealed class EmbeddingReader
{
    /// <summary>As many as OpenAI takes.</summary>
    public const int MaxTexts = 2048;

    private const int MaxDimensions = 16_384;
    private const int MaxUser = 128;

    private static readonly MemberTable<EmbeddingReader> Body = new()
    {
        ["model"] = (call, value, path) => call._model = call._values.Text(value, path),
        ["input"] = (call, value, path) => call._texts = call.ReadInput(value, path),
        ["dimensions"] = (call, value, path) => call._dimensions = (int?)call._values.Whole(value, path, 1, MaxDimensions),
        ["encoding_format"] = (call, value, path) => call._isBase64 = call.ReadFormat(value, path),
        ["user"] = (call, value, path) => call._user = call.ReadUser(value, path),
    };

    private readonly BodyMembers _values = new();
    private string? _model;
    private IReadOnlyList<string>? _texts;
    private int? _dimensions;
    private bool _isBase64;
    private string? _user;

    private EmbeddingReader() { }

    /// <returns>Why the body is refused, or null; then <paramref name="call"/> is set.</returns>
    public static Refusal? TryRead(ReadOnlyMemory<byte> body, out EmbeddingCall call)
    {
        call = null!;
        if (StrictJson.TryParse(body, out var document) is { } unreadable)
        {
            return unreadable;
        }

        using (document)
        {
            var reader = new EmbeddingReader();
            Body.Read(reader, reader._values, document.RootElement, "");
            return reader.Finish(out call);
        }
    }

    private Refusal? Finish(out EmbeddingCall call)
    {
        if (_model is not { Length: > 0 and <= 128 })
        {
            _values.Invalid("model", "must be the name of a route or model, see GET /v1/models");
        }

        if (_texts is null)
        {
            _values.Invalid("input", "is missing; send a text, or an array of texts");
        }

        call = new EmbeddingCall(_model ?? "", _texts ?? [])
        {
            Dimensions = _dimensions,
            IsBase64 = _isBase64,
            User = _user,
        };
        return _values.Fault;
    }

    private List<string> ReadInput(JsonElement value, string path)
    {
        if (value.ValueKind == JsonValueKind.String)
        {
            return [ReadText(value, path)];
        }

        var texts = new List<string>();
        foreach (var (item, place) in _values.Array(value, path))
        {
            if (item.ValueKind is JsonValueKind.Number or JsonValueKind.Array)
            {
                // What a token is depends on the model, and who else may stand in for it counts differently.
                _values.Unsupported(path, "It has tokens; send texts. In LangChain that is check_embedding_ctx_length=False.");
                return texts;
            }

            texts.Add(ReadText(item, place));
        }

        if (texts.Count is 0 or > MaxTexts)
        {
            _values.Invalid(path, Invariant($"has {texts.Count} texts; it must have from 1 to {MaxTexts}"));
        }

        return texts;
    }

    private string ReadText(JsonElement value, string path)
    {
        var text = _values.Text(value, path) ?? "";
        if (text.Length == 0)
        {
            _values.Invalid(path, "is empty; send a text, or leave it out");
        }

        return text;
    }

    private bool ReadFormat(JsonElement value, string path)
    {
        var format = _values.Text(value, path);
        if (format is not (null or "float" or "base64"))
        {
            _values.Invalid(path, $"is {Quoted.Of(format)}; it must be float or base64");
        }

        return format == "base64";
    }

    private string? ReadUser(JsonElement value, string path)
    {
        var user = _values.Text(value, path);
        if (user is { Length: 0 or > MaxUser })
        {
            _values.Invalid(path, Invariant($"has {user.Length} characters; it must have from 1 to {MaxUser}"));
        }

        return user;
    }
}
