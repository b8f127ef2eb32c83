using System.Security.Cryptography;
using System.Text;
using static System.FormattableString;

namespace AiBackend.Api.OpenAi.Embeddings;

/// <summary>What a request for embeddings asks for.</summary>
/// <param name="Model">A route or model.</param>
/// <param name="Texts">At least one.</param>
internal sealed record EmbeddingCall(string Model, IReadOnlyList<string> Texts)
{
    // U+0000 is refused in every string.
    private const char Separator = '\0';

    /// <summary>Numbers in a vector; null is the model's own.</summary>
    public int? Dimensions { get; init; }

    /// <summary>Vectors are sent as base64 and not as numbers.</summary>
    public bool IsBase64 { get; init; }

    /// <summary>The caller's own user.</summary>
    public string? User { get; init; }

    /// <summary>SHA-256 of all of it.</summary>
    public byte[] Fingerprint =>
        SHA256.HashData(Encoding.UTF8.GetBytes(Invariant($"{Model}\0{Dimensions}\0{IsBase64}\0{User}\0") + string.Join(Separator, Texts)));
}
