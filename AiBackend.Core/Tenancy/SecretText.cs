using System.Buffers;
using System.Numerics;
using System.Security.Cryptography;

namespace AiBackend.Core.Tenancy;

/// <summary>Random secrets that people and programs hold: a prefix to find leaks by, 30 characters of base 62, and 6 of checksum.</summary>
internal static class SecretText
{
    public const int SecretLength = 30;
    public const int ChecksumLength = 6;

    private const string Alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    private static readonly SearchValues<char> AlphabetCharacters = SearchValues.Create(Alphabet);

    /// <summary>A new one, of about 178 random bits.</summary>
    public static string Create(string prefix)
    {
        var body = prefix + RandomNumberGenerator.GetString(Alphabet, SecretLength);
        return body + Checksum(body);
    }

    /// <summary>Whether a text has the shape and the right checksum, so that a mistyped one needs no database to be refused.</summary>
    public static bool IsWhole(string text, string prefix) =>
        text.Length == prefix.Length + SecretLength + ChecksumLength
        && text.StartsWith(prefix, StringComparison.Ordinal)
        && !text.AsSpan(prefix.Length).ContainsAnyExcept(AlphabetCharacters)
        && text.EndsWith(Checksum(text[..^ChecksumLength]), StringComparison.Ordinal);

    private static string Checksum(string body)
    {
        // CRC-32C, because the framework has it.
        var rest = ~0u;
        foreach (var character in body)
        {
            rest = BitOperations.Crc32C(rest, (byte)character);
        }

        rest = ~rest;
        Span<char> digits = stackalloc char[ChecksumLength];
        for (var i = ChecksumLength - 1; i >= 0; i--)
        {
            digits[i] = Alphabet[(int)(rest % (uint)Alphabet.Length)];
            rest /= (uint)Alphabet.Length;
        }

        return new string(digits);
    }
}
