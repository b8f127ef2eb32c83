using System.Buffers;
using System.ClientModel;
using System.ClientModel.Primitives;
using System.Text.Json;
using AiBackend.Core.Faults;
using AiBackend.Core.Providers.Configuration;
using AiBackend.Core.Providers.Embeddings;
using AiBackend.Core.Providers.Failures;
using AiBackend.Core.Providers.Wire;
using Microsoft.Extensions.AI;
using EmbeddingClient = OpenAI.Embeddings.EmbeddingClient;

namespace AiBackend.Core.Providers.OpenAi;

/// <summary>A provider that speaks OpenAI's embeddings, over the protocol method of the official SDK.</summary>
internal sealed class OpenAiEmbeddings(ProviderOptions provider, EmbeddingClient client) : IEmbeddingGenerator<string, Embedding<float>>
{
    /// <summary>What is read of an answer at most: 2 048 vectors of 3 072 numbers, as text, are larger than most and smaller than this.</summary>
    private const int LargestAnswer = 128 << 20;

    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values,
        EmbeddingGenerationOptions? options = null,
        CancellationToken cancellationToken = default
    )
    {
        var texts = values.ToList();
        CallName.Set(options?.AdditionalProperties);
        using var body = BinaryContent.Create(Write(options?.ModelId ?? provider.Model, texts, options?.Dimensions));
        var request = new RequestOptions { BufferResponse = false, CancellationToken = cancellationToken };
        using var response = (await client.GenerateEmbeddingsAsync(body, request)).GetRawResponse();
        if (
            CallName.Caller is { } caller
            && LimitHeaders.Read(name => response.Headers.TryGetValue(name, out var value) ? value : null) is { } scarce
        )
        {
            caller.Note(scarce);
        }

        FaultPoints.Hit(FaultPoint.K9, options?.ModelId);
        return Understood(Read(await ReadAsync(response.ContentStream ?? Stream.Null, cancellationToken), texts.Count));
    }

    public object? GetService(Type serviceType, object? serviceKey = null) =>
        serviceKey is null && serviceType.IsInstanceOfType(this) ? this : null;

    /// <summary>The connections are those of the chat client.</summary>
    public void Dispose() { }

    private EmbeddingBody Read(ReadOnlyMemory<byte> answer, int count)
    {
        try
        {
            return EmbeddingBody.Read(answer.Span, count);
        }
        catch (Exception problem) when (problem is JsonException or FormatException or InvalidOperationException)
        {
            throw new ProviderProtocolException(provider.Name, "embeddings that are none", problem);
        }
    }

    private async Task<ReadOnlyMemory<byte>> ReadAsync(Stream content, CancellationToken cancellationToken)
    {
        var answer = new ArrayBufferWriter<byte>(64 * 1024);
        int read;
        while ((read = await content.ReadAsync(answer.GetMemory(), cancellationToken)) > 0)
        {
            answer.Advance(read);
            if (answer.WrittenCount > LargestAnswer)
            {
                throw new ProviderProtocolException(provider.Name, "an endless answer");
            }
        }

        return answer.WrittenMemory;
    }

    private static GeneratedEmbeddings<Embedding<float>> Understood(EmbeddingBody body) =>
        new(body.Vectors.Select(vector => new Embedding<float>(vector) { ModelId = body.ModelVersion }))
        {
            Usage = body.InputTokens is { } input ? new UsageDetails { InputTokenCount = input, TotalTokenCount = input } : null,
            AdditionalProperties = Marks(body),
        };

    private static AdditionalPropertiesDictionary Marks(EmbeddingBody body)
    {
        var marks = new AdditionalPropertiesDictionary();
        if (body.IsSimulated)
        {
            marks[WireChatClient.Simulated] = true;
        }

        if (body.IsUsageDisputed)
        {
            marks[WireChatClient.Disputed] = true;
        }

        return marks;
    }

    /// <remarks>As numbers, because not everybody who speaks this protocol knows base64; either is understood.</remarks>
    private static BinaryData Write(string model, List<string> texts, int? dimensions)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("model"u8, model);
            json.WriteStartArray("input"u8);
            texts.ForEach(json.WriteStringValue);
            json.WriteEndArray();
            json.WriteString("encoding_format"u8, "float"u8);
            if (dimensions is { } length)
            {
                json.WriteNumber("dimensions"u8, length);
            }

            json.WriteEndObject();
        }

        return new BinaryData(buffer.WrittenMemory);
    }
}
