using System.Text.Json.Serialization;
using AiBackend.ApiContracts.Contracts;

namespace AiBackend.ApiContracts.Reviews;

/// <summary>Why a person has to decide about a result.</summary>
/// <param name="Reason">One of <see cref="ReviewReasons"/>.</param>
public sealed record ReviewQuestion(string Reason)
{
    /// <summary>For <c>contract</c>: what was found.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ContractCheck? Check { get; init; }
}

/// <summary>Reasons of reviews.</summary>
public static class ReviewReasons
{
    /// <summary>The answer breaks its contract.</summary>
    public const string Contract = "contract";
}
