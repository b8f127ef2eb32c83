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

    private const int PrefixLength = 9;
    private const int IdLength = 8;

    private ApiKey(string text) => Text = text;

    /// <summary>The whole key. Shown once, never logged, never stored.</summary>
    public string Text { get; }

    /// <summary>The part that identifies the key and may be shown.</summary>
    public string Id => Text.Substring(PrefixLength, IdLength);

    /// <summary>Makes a new key of about 178 random bits.</summary>
    /// <param name="live">False marks it as one for tests.</param>
    public static ApiKey Create(bool live) => new(SecretText.Create(live ? "aib_live_" : "aib_test_"));

    /// <summary>Whether a text has the prefix of keys for tests, which Production does not know.</summary>
    public static bool IsForTests(string text) => text.StartsWith("aib_test_", StringComparison.Ordinal);

    /// <returns>The key, or null when the text is not one: wrong shape or wrong checksum.</returns>
    public static ApiKey? TryParse(string text) =>
        SecretText.IsWhole(text, "aib_test_") || SecretText.IsWhole(text, "aib_live_") ? new ApiKey(text) : null;

    /// <summary>What the database keeps instead of the key.</summary>
    /// <param name="pepper">A secret outside the database: its thief cannot try keys against the hashes.</param>
    public byte[] Hash(byte[] pepper) => HMACSHA256.HashData(pepper, Encoding.ASCII.GetBytes(Text));

    /// <summary>Hides everything but the id: a record prints its members.</summary>
    public override string ToString() => $"{Text[..PrefixLength]}{Id}…";
}
