using AiBackend.Api.Problems;
using Microsoft.Extensions.Primitives;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>Reads the <c>Idempotency-Key</c> header: bare, or a structured-field string (draft-ietf-httpapi-idempotency-key-header, RFC 9651).</summary>
internal static class IdempotencyKey
{
    public const string Header = "Idempotency-Key";
    public const int MaxLength = 255;

    /// <summary>Set on the answer to a request that came before.</summary>
    public const string RepeatHeader = "Idempotent-Replayed";

    // No key that was sent has it, so no key of one address is that of another.
    private const char Separator = '\u001F';

    /// <summary>The key as it is stored for an address other than the native submit's: keys of different addresses are apart.</summary>
    public static string? At(string address, string? key) => key is null ? null : key + Separator + address;

    /// <summary>A stored key as its caller sent it.</summary>
    public static string Sent(string key) => key.Split(Separator)[0];

    /// <param name="header">The header as it arrived.</param>
    /// <param name="key">The key without quotes; null when there is no header. Quoted or bare, the same text is the same key.</param>
    /// <returns>Why the header is refused, or null.</returns>
    public static Refusal? TryRead(StringValues header, out string? key)
    {
        key = null;
        if (header.Count == 0)
        {
            return null;
        }

        if (header.Count > 1)
        {
            return Malformed("The header Idempotency-Key is given more than once.");
        }

        var text = header.ToString();
        key = text.StartsWith('"') ? Unquote(text) : text;
        return key switch
        {
            null => Malformed(
                "The Idempotency-Key begins with a quote but is not a structured-field string: the closing quote must be the last character, and inside only \\\" and \\\\ are escapes."
            ),
            "" => Malformed("The Idempotency-Key is empty."),
            { Length: > MaxLength } => Malformed($"The Idempotency-Key has {key.Length} characters."),
            _ when key.AsSpan().ContainsAnyExceptInRange(' ', '~') => Malformed(
                "The Idempotency-Key contains a character that is not printable ASCII."
            ),
            // Two headers may arrive joined by a comma, so a bare comma cannot be told from two keys.
            _ when text[0] != '"' && key.AsSpan().ContainsAny(' ', ',') => Malformed(
                $"The Idempotency-Key {Quoted.Of(key)} contains a space or a comma outside double quotes."
            ),
            _ => null,
        };
    }

    private static string? Unquote(string text)
    {
        var inside = text.AsSpan(1);
        Span<char> key = stackalloc char[MaxLength + 1];
        var length = 0;
        for (var i = 0; i < inside.Length; i++)
        {
            var character = inside[i];
            if (character == '"')
            {
                return i == inside.Length - 1 ? new string(key[..length]) : null;
            }

            if (character == '\\')
            {
                i++;
                if (i == inside.Length || inside[i] is not ('"' or '\\'))
                {
                    return null;
                }

                character = inside[i];
            }

            if (length == key.Length)
            {
                // Too long already: the caller only needs to see that it is.
                return text;
            }

            key[length++] = character;
        }

        return null;
    }

    private static Refusal Malformed(string what) =>
        ProblemTypes.MalformedIdempotencyKey.With(
            $"{what} Send 1 to {MaxLength} printable ASCII characters, for example a UUID, bare or in double quotes."
        );
}
