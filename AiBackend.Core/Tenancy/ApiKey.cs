using System.Buffers;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;

namespace AiBackend.Core.Tenancy;

/// <summary>An API key as its owner holds it: <c>aib_{test|live}_</c>, 30 characters of secret and 6 of checksum, all base 62.</summary>
/// <remarks>
/// The prefix makes leaked keys greppable, the underscores make a double click select the whole key, and the checksum lets
/// a mistyped key be refused without asking the database. The first 8 secret characters are the key's public id.
/// </remarks>
public sealed record ApiKey
{
    /// <summary>For secret scanners.</summary>
    public const string Pattern = "aib_(test|live)_[0-9A-Za-z]{36}";

    private const string Alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    private static readonly SearchValues<char> AlphabetCharacters = SearchValues.Create(Alphabet);

    private const int PrefixLength = 9;
    private const int SecretLength = 30;
    private const int ChecksumLength = 6;
    private const int IdLength = 8;

    private ApiKey(string text) => Text = text;

    /// <summary>The whole key. Shown once, never logged, never stored.</summary>
    public string Text { get; }

    /// <summary>The part that identifies the key and may be shown.</summary>
    public string Id => Text.Substring(PrefixLength, IdLength);

    /// <summary>Makes a new key of about 178 random bits.</summary>
    /// <param name="live">False marks it as one for tests.</param>
    public static ApiKey Create(bool live)
    {
        var body = (live ? "aib_live_" : "aib_test_") + RandomNumberGenerator.GetString(Alphabet, SecretLength);
        return new ApiKey(body + Checksum(body));
    }

    /// <returns>The key, or null when the text is not one: wrong shape or wrong checksum.</returns>
    public static ApiKey? TryParse(string text)
    {
        if (
            text.Length != PrefixLength + SecretLength + ChecksumLength
            || !(text.StartsWith("aib_test_", StringComparison.Ordinal) || text.StartsWith("aib_live_", StringComparison.Ordinal))
            || text.AsSpan(PrefixLength).ContainsAnyExcept(AlphabetCharacters)
        )
        {
            return null;
        }

        var body = text[..^ChecksumLength];
        return text.EndsWith(Checksum(body), StringComparison.Ordinal) ? new ApiKey(text) : null;
    }

    /// <summary>What the database keeps instead of the key.</summary>
    /// <param name="pepper">A secret outside the database: its thief cannot try keys against the hashes.</param>
    public byte[] Hash(byte[] pepper) => HMACSHA256.HashData(pepper, Encoding.ASCII.GetBytes(Text));

    /// <summary>Hides everything but the id: a record prints its members.</summary>
    public override string ToString() => $"{Text[..PrefixLength]}{Id}…";

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
