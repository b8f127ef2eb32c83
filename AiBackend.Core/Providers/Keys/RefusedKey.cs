using System.Security.Cryptography;
using System.Text;

namespace AiBackend.Core.Providers.Keys;

/// <summary>A provider's key that the provider did not take (status 401).</summary>
/// <param name="Provider">The provider's configured name.</param>
/// <param name="KeyId">Tells the key from the one that an operator sets in its place, and says nothing of either, see <see cref="IdOf"/>.</param>
public sealed record RefusedKey(string Provider, string KeyId)
{
    private const int IdLength = 16;

    /// <summary>The beginning of a hash of the key: keys are long and random, so nobody comes back from it to the key.</summary>
    internal static string IdOf(string provider, string? key) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{provider}\n{key}")))[..IdLength];
}
