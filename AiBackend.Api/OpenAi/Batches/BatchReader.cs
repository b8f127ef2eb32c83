using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.OpenAi.Reading;
using AiBackend.Api.Problems;

namespace AiBackend.Api.OpenAi.Batches;

/// <summary>What a request for a batch asks for.</summary>
/// <param name="InputFileId">As it was sent.</param>
/// <param name="Endpoint">Where every line goes.</param>
/// <param name="Metadata">JSON object of strings; null when there is none.</param>
internal sealed record BatchCall(string InputFileId, string Endpoint, string? Metadata)
{
    public byte[] Fingerprint => SHA256.HashData(Encoding.UTF8.GetBytes($"{InputFileId}\0{Endpoint}\0{Metadata}"));
}

/// <summary>Reads the body of a request for a batch, of which every parameter is in the table.</summary>
internal sealed class BatchReader
{
    private static readonly MemberTable<BatchReader> Body = new()
    {
        ["input_file_id"] = (call, value, path) => call._file = call._values.Text(value, path),
        ["endpoint"] = (call, value, path) => call._endpoint = call._values.Text(value, path),
        ["completion_window"] = (call, value, path) => call._window = call._values.Text(value, path),
        ["metadata"] = (call, value, path) => call.ReadMetadata(value, path),
        ["output_expires_after"] = (call, _, path) =>
            call._values.Unsupported(path, "Files of batches are kept as long as others; delete them earlier."),
    };

    private readonly BodyMembers _values = new();
    private string? _file;
    private string? _endpoint;
    private string? _window;
    private Dictionary<string, string>? _metadata;

    private BatchReader() { }

    /// <returns>Why the body is refused, or null; then <paramref name="call"/> is set.</returns>
    public static Refusal? TryRead(ReadOnlyMemory<byte> body, out BatchCall call)
    {
        call = null!;
        if (StrictJson.TryParse(body, out var document, known: "endpoint") is { } unreadable)
        {
            return unreadable;
        }

        using (document)
        {
            var reader = new BatchReader();
            Body.Read(reader, reader._values, document.RootElement, "");
            return reader.Finish(out call);
        }
    }

    private Refusal? Finish(out BatchCall call)
    {
        if (_file is null)
        {
            _values.Invalid("input_file_id", "is missing; upload the lines with POST /v1/files and the purpose batch");
        }

        if (!LineDrafts.Endpoints.Contains(_endpoint, StringComparer.Ordinal))
        {
            _values.Invalid(
                "endpoint",
                $"is {(_endpoint is null ? "missing" : Quoted.Of(_endpoint))}; there are {string.Join(", ", LineDrafts.Endpoints)}. Embeddings are quick: call /v1/embeddings with many texts"
            );
        }

        if (_window != BatchObject.Window)
        {
            _values.Invalid(
                "completion_window",
                $"is {(_window is null ? "missing" : Quoted.Of(_window))}; it must be {BatchObject.Window}"
            );
        }

        var errors = new FieldErrors();
        MetadataRules.Check(_metadata, errors);
        call = new BatchCall(_file ?? "", _endpoint ?? "", MetadataRules.ToJson(_metadata));
        return _values.Fault ?? errors.ToRefusal();
    }

    private void ReadMetadata(JsonElement value, string path)
    {
        _metadata = new(StringComparer.Ordinal);
        foreach (var member in _values.Object(value, path))
        {
            _metadata[member.Name] = _values.Text(member.Value, $"{path}.{member.Name}") ?? "";
        }
    }
}
