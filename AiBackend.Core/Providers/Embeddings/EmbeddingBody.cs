using System.Buffers;
using System.Buffers.Text;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using AiBackend.Core.Providers.Wire;

namespace AiBackend.Core.Providers.Embeddings;

/// <summary>The body of an answer with embeddings, of OpenAI and of those who speak like it.</summary>
/// <param name="Vectors">By their place in the request.</param>
/// <param name="InputTokens">Null when it was not said.</param>
/// <param name="ModelVersion">Null when it was not said.</param>
/// <param name="IsSimulated">The provider itself says that it is a simulation.</param>
internal sealed record EmbeddingBody(
    IReadOnlyList<ReadOnlyMemory<float>> Vectors,
    long? InputTokens,
    string? ModelVersion,
    bool IsSimulated
)
{
    /// <summary>A count that cannot be true was said.</summary>
    public bool IsUsageDisputed { get; private init; }

    /// <param name="body">The whole body.</param>
    /// <param name="count">How many texts were sent.</param>
    /// <exception cref="FormatException">It is none, or not one vector for each text.</exception>
    public static EmbeddingBody Read(ReadOnlySpan<byte> body, int count)
    {
        var vectors = new ReadOnlyMemory<float>[count];
        long? input = null;
        string? model = null;
        var simulated = false;
        var disputed = false;
        var reader = new Utf8JsonReader(body);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("data"u8))
            {
                ReadData(ref reader, vectors);
            }
            else if (reader.ValueTextEquals("usage"u8))
            {
                input = ReadUsage(ref reader, ref disputed);
            }
            else if (reader.ValueTextEquals("model"u8))
            {
                model = ReadText(ref reader);
            }
            else if (reader.ValueTextEquals("system_fingerprint"u8))
            {
                simulated = ReadText(ref reader) == "simulated";
            }
            else
            {
                reader.Skip();
            }
        }

        return Array.TrueForAll(vectors, vector => vector.Length > 0 && vector.Length == vectors[0].Length && IsFinite(vector.Span))
            ? new EmbeddingBody(vectors, input, model, simulated) { IsUsageDisputed = disputed }
            : throw new FormatException("vectors are missing, of different lengths, or no numbers");
    }

    private static bool IsFinite(ReadOnlySpan<float> vector)
    {
        foreach (var number in vector)
        {
            if (!float.IsFinite(number))
            {
                return false;
            }
        }

        return true;
    }

    private static string? ReadText(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.String)
        {
            return DeltaText.Readable(ref reader);
        }

        reader.Skip();
        return null;
    }

    private static void ReadData(ref Utf8JsonReader reader, ReadOnlyMemory<float>[] vectors)
    {
        Expect(ref reader, JsonTokenType.StartArray);
        for (var position = 0; reader.Read() && reader.TokenType == JsonTokenType.StartObject; position++)
        {
            // Who does not number them sends them in order.
            var index = position;
            ReadOnlyMemory<float> vector = default;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                if (reader.ValueTextEquals("embedding"u8))
                {
                    vector = ReadVector(ref reader);
                }
                else if (reader.ValueTextEquals("index"u8))
                {
                    reader.Read();
                    index = reader.TryGetInt32(out var number) ? number : -1;
                }
                else
                {
                    reader.Skip();
                }
            }

            vectors[index >= 0 && index < vectors.Length ? index : throw new FormatException("a vector of no text")] = vector;
        }
    }

    private static ReadOnlyMemory<float> ReadVector(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.String)
        {
            return OfBase64(reader.ValueIsEscaped ? Encoding.ASCII.GetBytes(reader.GetString()!) : reader.ValueSpan);
        }

        if (reader.TokenType != JsonTokenType.StartArray)
        {
            throw new FormatException("a vector that is none");
        }

        var numbers = new List<float>(1536);
        while (reader.Read() && reader.TokenType == JsonTokenType.Number)
        {
            numbers.Add(reader.GetSingle());
        }

        return numbers.ToArray();
    }

    private static float[] OfBase64(ReadOnlySpan<byte> text)
    {
        var bytes = new byte[Base64.GetMaxDecodedFromUtf8Length(text.Length)];
        return
            Base64.DecodeFromUtf8(text, bytes, out _, out var length) == OperationStatus.Done
            && length % sizeof(float) == 0
            && BitConverter.IsLittleEndian
            ? MemoryMarshal.Cast<byte, float>(bytes.AsSpan(0, length)).ToArray()
            : throw new FormatException("a vector that is no base64");
    }

    private static long? ReadUsage(ref Utf8JsonReader reader, ref bool disputed)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            return null;
        }

        long? input = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("prompt_tokens"u8))
            {
                input = TokenUsage.Count(ref reader, ref disputed);
            }
            else
            {
                reader.Skip();
            }
        }

        return input;
    }

    private static void Expect(ref Utf8JsonReader reader, JsonTokenType type)
    {
        if (!reader.Read() || reader.TokenType != type)
        {
            throw new FormatException("something else than its data");
        }
    }
}
