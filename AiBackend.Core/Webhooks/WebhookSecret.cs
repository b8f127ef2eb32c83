using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace AiBackend.Core.Webhooks;

/// <summary>A secret of Standard Webhooks: <c>whsec_</c> and 24 to 64 bytes in base 64. Signs what is sent with it.</summary>
public sealed class WebhookSecret
{
    private const string Prefix = "whsec_";
    private const int Least = 24;
    private const int Most = 64;
    private const int NewLength = 32;

    private readonly byte[] _key;

    private WebhookSecret(byte[] key) => _key = key;

    /// <summary>A new one, as it is shown once.</summary>
    public static string Create() => Prefix + Convert.ToBase64String(RandomNumberGenerator.GetBytes(NewLength));

    /// <returns>Null when the text is not a secret.</returns>
    public static WebhookSecret? TryParse(string text)
    {
        if (!text.StartsWith(Prefix, StringComparison.Ordinal))
        {
            return null;
        }

        var key = new byte[text.Length];
        return Convert.TryFromBase64String(text[Prefix.Length..], key, out var length) && length is >= Least and <= Most
            ? new WebhookSecret(key[..length])
            : null;
    }

    /// <returns>Value of the header <c>webhook-signature</c>.</returns>
    /// <param name="id">Value of <c>webhook-id</c>.</param>
    /// <param name="timestamp">Value of <c>webhook-timestamp</c>, in seconds.</param>
    /// <param name="body">As it is sent.</param>
    public string Sign(string id, long timestamp, string body) =>
        Sign(id, timestamp.ToString(CultureInfo.InvariantCulture), Encoding.UTF8.GetBytes(body));

    /// <summary>The same over exact bytes.</summary>
    internal string Sign(string id, string timestamp, ReadOnlySpan<byte> body)
    {
        using var hash = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, _key);
        hash.AppendData(Encoding.UTF8.GetBytes($"{id}.{timestamp}."));
        hash.AppendData(body);
        return "v1," + Convert.ToBase64String(hash.GetHashAndReset());
    }
}
