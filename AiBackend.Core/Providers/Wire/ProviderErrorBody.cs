using System.Globalization;
using System.Text.Json;

namespace AiBackend.Core.Providers.Wire;

/// <summary>The members of an error object that programs may rely on. Its message is the provider's and stays there.</summary>
/// <param name="Code"><c>error.code</c>, or what the message says where there is no code; some gateways put an HTTP status here.</param>
/// <param name="Type"><c>error.type</c>.</param>
internal sealed record ProviderErrorBody(string? Code, string? Type)
{
    /// <summary>The word to decide by.</summary>
    public string? Word => Code ?? Type;

    /// <summary>The HTTP status that fits, for an error that came inside a stream whose status was already 200.</summary>
    public int Status =>
        int.TryParse(Code, NumberStyles.None, CultureInfo.InvariantCulture, out var status) && status is >= 400 and <= 599
            ? status
            : Word switch
            {
                "rate_limit_exceeded" or "rate_limit_error" or "insufficient_quota" => 429,
                "context_length_exceeded" or "invalid_request_error" or "content_filter" or "content_policy_violation" => 400,
                "invalid_api_key" or "authentication_error" or "permission_error" => 401,
                "billing_error" => 402,
                "model_not_found" or "not_found_error" => 404,
                "request_too_large" => 413,
                "timeout_error" => 504,
                "overloaded_error" => 529,
                _ => 500,
            };

    /// <summary>Reads the value the reader stands on: an object, or just a text.</summary>
    /// <returns>Null when it is null.</returns>
    public static ProviderErrorBody? Read(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            var missing = reader.TokenType is JsonTokenType.Null or JsonTokenType.False;
            reader.Skip();
            return missing ? null : new ProviderErrorBody(null, null);
        }

        string? code = null;
        string? type = null;
        string? said = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("code"u8))
            {
                code = Text(ref reader);
            }
            else if (reader.ValueTextEquals("type"u8))
            {
                type = Text(ref reader);
            }
            else if (reader.ValueTextEquals("message"u8))
            {
                said = ReadMessage(ref reader);
            }
            else
            {
                reader.Read();
                reader.Skip();
            }
        }

        // A message is asked only where the provider calls everything the same.
        return new ProviderErrorBody(code ?? (type is "invalid_request_error" ? said : null), type);
    }

    /// <summary>Reads the body of an answer with an error status.</summary>
    /// <returns>An empty one when it is not an error object in JSON: gateways answer with pages, too.</returns>
    public static ProviderErrorBody Parse(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        try
        {
            if (reader.Read() && reader.TokenType == JsonTokenType.StartObject)
            {
                while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
                {
                    var isError = reader.ValueTextEquals("error"u8);
                    reader.Read();
                    if (isError)
                    {
                        return Read(ref reader) ?? new ProviderErrorBody(null, null);
                    }

                    reader.Skip();
                }
            }
        }
        catch (Exception problem) when (problem is JsonException or InvalidOperationException)
        {
            // The status alone has to do. Also where a name has half of a character, which JSON allows and its reader does not.
        }

        return new ProviderErrorBody(null, null);
    }

    /// <summary>Anthropic has one type for everything it will not do, and no code: only these beginnings tell apart who has to act.</summary>
    private static string? ReadMessage(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.String)
        {
            reader.Skip();
            return null;
        }

        var message = reader.ValueSpan;
        return message.StartsWith("prompt is too long"u8) || message.StartsWith("input length and `max_tokens` exceed context limit"u8)
                ? "context_length_exceeded"
            : message.StartsWith("Your credit balance is too low"u8)
            || message.StartsWith("You have reached your specified API usage limits"u8)
                ? "insufficient_quota"
            : null;
    }

    private static string? Text(ref Utf8JsonReader reader)
    {
        reader.Read();
        switch (reader.TokenType)
        {
            case JsonTokenType.String:
                return DeltaText.Readable(ref reader);
            case JsonTokenType.Number when reader.TryGetInt32(out var number):
                return number.ToString(CultureInfo.InvariantCulture);
            default:
                reader.Skip();
                return null;
        }
    }
}
