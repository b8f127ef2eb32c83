using System.Buffers;
using System.Text.Json;
using AiBackend.Core.Providers.Wire;
using Microsoft.Extensions.AI;

namespace AiBackend.Core.Providers.OpenAi;

/// <summary>Writes the JSON of a streamed chat completion request.</summary>
internal static class ChatRequestBody
{
    /// <param name="model">The provider's name of the model.</param>
    /// <param name="isOpenAi">OpenAI itself has newer names for a few things than those who speak its protocol.</param>
    /// <param name="messages">The conversation, oldest first.</param>
    /// <param name="options">What is asked for; null for the model's own.</param>
    public static BinaryData Write(string model, bool isOpenAi, IEnumerable<ChatMessage> messages, ChatOptions? options)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("model"u8, model);
            json.WriteStartArray("messages"u8);
            foreach (var message in messages)
            {
                ChatMessageBody.Write(json, message, isOpenAi);
            }

            json.WriteEndArray();
            if (options?.Temperature is { } temperature)
            {
                json.WriteNumber("temperature"u8, temperature);
            }

            if (options?.MaxOutputTokens is { } most)
            {
                json.WriteNumber(isOpenAi ? "max_completion_tokens"u8 : "max_tokens"u8, most);
            }

            if (options is not null)
            {
                WriteSampling(json, options);
                ChatToolsBody.Write(json, options);
            }

            json.WriteBoolean("stream"u8, true);
            json.WriteStartObject("stream_options"u8);
            json.WriteBoolean("include_usage"u8, true);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        return BinaryData.FromBytes(buffer.WrittenMemory);
    }

    private static void WriteSampling(Utf8JsonWriter json, ChatOptions options)
    {
        Number("top_p"u8, options.TopP);
        Number("presence_penalty"u8, options.PresencePenalty);
        Number("frequency_penalty"u8, options.FrequencyPenalty);
        if (options.Seed is { } seed)
        {
            json.WriteNumber("seed"u8, seed);
        }

        if (options.StopSequences is { Count: > 0 } stop)
        {
            json.WriteStartArray("stop"u8);
            foreach (var text in stop)
            {
                json.WriteStringValue(text);
            }

            json.WriteEndArray();
        }

        if (CallOptions.EffortOf(options) is { } effort)
        {
            json.WriteString("reasoning_effort"u8, effort);
        }

        void Number(ReadOnlySpan<byte> name, float? value)
        {
            if (value is { } number)
            {
                json.WriteNumber(name, number);
            }
        }
    }
}
