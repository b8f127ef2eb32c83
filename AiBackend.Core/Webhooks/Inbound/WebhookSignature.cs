using System.Globalization;
using System.Text;

namespace AiBackend.Core.Webhooks.Inbound;

/// <summary>Checks who sent a message, as Standard Webhooks says: over the exact bytes, in fixed time, not older than five minutes.</summary>
public static class WebhookSignature
{
    private const int LongestId = 256;
    private const int LongestHeader = 4096;
    private const int MostSignatures = 16;
    private const string Version = "v1,";

    private static readonly TimeSpan Tolerance = TimeSpan.FromMinutes(5);

    /// <summary>What is wrong before anybody's secret matters.</summary>
    /// <param name="id">Value of <c>webhook-id</c>.</param>
    /// <param name="timestamp">Value of <c>webhook-timestamp</c>.</param>
    /// <param name="signatures">Value of <c>webhook-signature</c>.</param>
    /// <param name="now">The time.</param>
    /// <returns>A sentence for the sender, or null.</returns>
    public static string? Fault(string? id, string? timestamp, string? signatures, DateTimeOffset now)
    {
        if (id is not { Length: > 0 and <= LongestId } || !id.All(character => character is > ' ' and < '\x7f'))
        {
            return "webhook-id is missing, given twice, or not 1 to 256 printable characters.";
        }

        if (signatures is not { Length: > 0 and <= LongestHeader })
        {
            return "webhook-signature is missing, given twice, or too long.";
        }

        if (!long.TryParse(timestamp, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds))
        {
            return "webhook-timestamp is missing, given twice, or not a whole number of seconds.";
        }

        return Math.Abs(now.ToUnixTimeSeconds() - (decimal)seconds) > (decimal)Tolerance.TotalSeconds
            ? "webhook-timestamp is more than five minutes from the time here."
            : null;
    }

    /// <summary>Whether one of the signatures was made with one of the secrets.</summary>
    public static bool IsValid(
        string id,
        string timestamp,
        string signatures,
        ReadOnlySpan<byte> body,
        IReadOnlyList<WebhookSecret> secrets
    )
    {
        var given = signatures.Split(' ', MostSignatures + 1).Take(MostSignatures).Where(IsKnownVersion).ToList();
        var isValid = false;
        foreach (var secret in secrets)
        {
            var expected = Encoding.ASCII.GetBytes(secret.Sign(id, timestamp, body));
            foreach (var signature in given)
            {
                // All of them, whatever was found: how long it takes says nothing.
                isValid |= System.Security.Cryptography.CryptographicOperations.FixedTimeEquals(
                    expected,
                    Encoding.UTF8.GetBytes(signature)
                );
            }
        }

        return isValid;
    }

    private static bool IsKnownVersion(string signature) => signature.StartsWith(Version, StringComparison.Ordinal);
}
