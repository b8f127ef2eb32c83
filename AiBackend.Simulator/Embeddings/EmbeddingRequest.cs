using System.Text.Json;
using AiBackend.Simulator.Chat;

namespace AiBackend.Simulator.Embeddings;

/// <summary>What the simulator reads of a request for embeddings.</summary>
internal sealed record EmbeddingRequest(string Model, IReadOnlyList<string> Texts, int Length, bool IsBase64)
{
    /// <summary>As the call log keeps it: each text as a message.</summary>
    public ChatRequest ForLog { get; } =
        new()
        {
            Model = Model,
            Messages = [.. Texts.Select(text => new SimMessage("input", text.Length, text.Length > 200 ? text[..200] : text))],
        };

    /// <exception cref="FormatException">It is none; the message says what is wrong.</exception>
    public static async Task<EmbeddingRequest> ReadAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        try
        {
            using var body = await JsonDocument.ParseAsync(request.Body, default, cancellationToken);
            return Read(body.RootElement);
        }
        catch (Exception problem) when (problem is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new FormatException("The request body is not a valid embedding request: " + problem.Message, problem);
        }
    }

    private static EmbeddingRequest Read(JsonElement body)
    {
        var input = body.GetProperty("input");
        List<string> texts =
            input.ValueKind == JsonValueKind.String ? [input.GetString()!] : [.. input.EnumerateArray().Select(item => item.GetString()!)];
        var length = body.TryGetProperty("dimensions", out var dimensions) ? dimensions.GetInt32() : SimVector.UsualLength;
        var isBase64 = body.TryGetProperty("encoding_format", out var format) && format.GetString() == "base64";
        return texts.Count > 0 && length is > 0 and <= 16_384 && body.GetProperty("model").GetString() is { Length: > 0 } model
            ? new EmbeddingRequest(model, texts, length, isBase64)
            : throw new FormatException("'model' must be a name, 'input' must have a text, and 'dimensions' must be from 1 to 16384.");
    }
}
