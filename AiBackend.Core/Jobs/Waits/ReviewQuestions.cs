using System.Text.Json.Serialization;
using AiBackend.ApiContracts.Reviews;

namespace AiBackend.Core.Jobs.Waits;

/// <summary>Names of <see cref="WaitAnswer"/> on the wire.</summary>
internal static class WaitAnswers
{
    public static string ToDecision(this WaitAnswer answer) =>
        answer switch
        {
            WaitAnswer.Accepted => ReviewDecisions.Approved,
            WaitAnswer.Rejected => ReviewDecisions.Rejected,
            WaitAnswer.Continued => ReviewDecisions.Continued,
            WaitAnswer.TimedOut => ReviewDecisions.TimedOut,
            _ => ReviewDecisions.Moot,
        };
}

/// <summary>Questions as they are stored. A newer worker may have asked with members that this version passes over.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip
)]
[JsonSerializable(typeof(ReviewQuestion))]
internal sealed partial class ReviewQuestionJson : JsonSerializerContext;
