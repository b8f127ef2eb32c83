using System.Security.Cryptography;
using System.Text;

namespace AiBackend.Web.Runs;

/// <summary>Compares two texts by SHA-256 of their UTF-8 form, as tests and other readers do.</summary>
internal static class TextDigest
{
    public static string Of(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    public static bool Same(string one, string other) => string.Equals(Of(one), Of(other), StringComparison.Ordinal);
}
