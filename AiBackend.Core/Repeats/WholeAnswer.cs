using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using AiBackend.Core.Secrets;

namespace AiBackend.Core.Repeats;

/// <summary>An answer as it was sent, which a repeat is given again.</summary>
/// <param name="Status">Its status code.</param>
/// <param name="Headers">Those of its headers that say something about what was done.</param>
/// <param name="Body">Its body.</param>
/// <remarks>
/// It is kept encrypted with the very key that its caller showed, of which we store a hash alone: an answer may have a secret that is shown once, and
/// neither a copy of the database nor our configuration opens it.
/// </remarks>
public sealed record WholeAnswer(int Status, Dictionary<string, string> Headers, byte[] Body)
{
    /// <summary>What is kept of it.</summary>
    /// <param name="request">What it answers.</param>
    /// <param name="key">The API key, or token of a session, that came with the request.</param>
    public byte[] Seal(KeptRequest request, string key) =>
        SealOf(key).Seal(OwnerOf(request), JsonSerializer.Serialize(this, WholeAnswerJson.Default.WholeAnswer));

    /// <returns>Null when another key was shown then.</returns>
    public static WholeAnswer? Open(KeptRequest request, string key, byte[] box) =>
        SealOf(key).Open(OwnerOf(request), box) is { } text ? JsonSerializer.Deserialize(text, WholeAnswerJson.Default.WholeAnswer) : null;

    private static SecretSeal SealOf(string key) => new(key, "kept answers", installation: null);

    private static string OwnerOf(KeptRequest request) => string.Create(CultureInfo.InvariantCulture, $"{request.TenantId}/{request.Key}");
}

[JsonSerializable(typeof(WholeAnswer))]
internal sealed partial class WholeAnswerJson : JsonSerializerContext;
