using System.Text.Json;
using System.Text.Json.Serialization;
using AiBackend.ApiContracts.Contracts;

namespace AiBackend.Core.Jobs.Waits;

/// <summary>What a reviewer said, as it is stored.</summary>
/// <param name="Comment">In words; null says nothing.</param>
/// <param name="Check">What the contract says about an edited result; null when there is none.</param>
public sealed record ReviewWords(string? Comment, ContractCheck? Check)
{
    /// <summary>The job may go on: there was nothing to take as its result.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Approved { get; init; }

    /// <returns>Null when there is nothing to say.</returns>
    public string? ToColumn() => this == Nothing ? null : JsonSerializer.Serialize(this, ReviewWordsJson.Default.ReviewWords);

    /// <summary>Reads what <see cref="ToColumn"/> wrote; whatever else is there is passed over.</summary>
    public static ReviewWords Read(string? column)
    {
        try
        {
            return column is null ? Nothing : JsonSerializer.Deserialize(column, ReviewWordsJson.Default.ReviewWords) ?? Nothing;
        }
        catch (JsonException)
        {
            // Answers of before could be any JSON.
            return Nothing;
        }
    }

    private static ReviewWords Nothing { get; } = new(null, null);
}

/// <summary>A newer version may add members, which an older one passes over.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull
)]
[JsonSerializable(typeof(ReviewWords))]
internal sealed partial class ReviewWordsJson : JsonSerializerContext;
