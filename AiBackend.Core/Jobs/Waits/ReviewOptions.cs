using System.ComponentModel.DataAnnotations;
using AiBackend.ApiContracts.Reviews;

namespace AiBackend.Core.Jobs.Waits;

/// <summary>What holds for reviews whose contract does not say. Section <c>Reviews</c>; changes need a restart, and hold for reviews asked for afterwards.</summary>
public sealed class ReviewOptions : IValidatableObject
{
    /// <summary>Configuration section.</summary>
    public const string SectionName = "Reviews";

    /// <summary>The longest wait for a person that can be asked for.</summary>
    public static readonly TimeSpan LongestTimeout = TimeSpan.FromDays(30);

    // An automatic "another attempt" that never ends would spend money for ever.
    private const int MostContinues = 3;

    /// <summary>How long a review waits for a person; null waits as long as its job may. Default null.</summary>
    public TimeSpan? Timeout { get; set; }

    /// <summary>
    /// What happens then: <c>accept</c>, <c>reject</c>, <c>fail</c> or <c>continue</c>. Default <c>fail</c>. A review of calls of tools has no result
    /// that could be accepted or refused: there all but <c>fail</c> are <c>continue</c>, and nothing is sent that nobody approved.
    /// </summary>
    public string OnTimeout { get; set; } = ReviewTimeouts.Fail;

    /// <summary>How long who claims a review has it in hand. Default 10 minutes.</summary>
    public TimeSpan ClaimFor { get; set; } = TimeSpan.FromMinutes(10);

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Timeout is { } timeout && (timeout < TimeSpan.FromSeconds(1) || timeout > LongestTimeout))
        {
            yield return new($"{SectionName}:{nameof(Timeout)} is {timeout}; it must be 1 second to 30 days, or left out.");
        }

        if (!ReviewTimeouts.All.Contains(OnTimeout, StringComparer.Ordinal))
        {
            yield return new(
                $"{SectionName}:{nameof(OnTimeout)} is \"{OnTimeout}\"; it must be one of {string.Join(", ", ReviewTimeouts.All)}."
            );
        }

        if (ClaimFor < TimeSpan.FromSeconds(10) || ClaimFor > TimeSpan.FromDays(1))
        {
            yield return new($"{SectionName}:{nameof(ClaimFor)} is {ClaimFor}; it must be 10 seconds to 1 day.");
        }
    }

    /// <summary>What an attempt asks a person for.</summary>
    /// <param name="question">JSON of a <see cref="ReviewQuestion"/>.</param>
    /// <param name="review">What the job's contract says; null says nothing.</param>
    /// <param name="attempt">The attempt that asks.</param>
    public JobQuestion Ask(string question, ContractReview? review, int attempt)
    {
        var timeout = review?.TimeoutSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : Timeout;
        var onTimeout = WaitDefaults.Read(review?.OnTimeout ?? OnTimeout);
        return new(question, timeout, onTimeout == WaitDefault.Continue && attempt > MostContinues ? WaitDefault.Fail : onTimeout);
    }

    /// <summary>What an attempt asks a person about calls of tools. Without an answer in time the job fails, or goes on without what was asked for.</summary>
    /// <param name="question">JSON of a <see cref="ReviewQuestion"/>.</param>
    public JobQuestion AskAboutCalls(string question) =>
        new(question, Timeout, WaitDefaults.Read(OnTimeout) == WaitDefault.Fail ? WaitDefault.Fail : WaitDefault.Continue);
}

/// <summary>Names of <see cref="WaitDefault"/> on the wire.</summary>
internal static class WaitDefaults
{
    public static WaitDefault Read(string name) =>
        name switch
        {
            ReviewTimeouts.Accept => WaitDefault.Accept,
            ReviewTimeouts.Reject => WaitDefault.Reject,
            ReviewTimeouts.Continue => WaitDefault.Continue,
            _ => WaitDefault.Fail,
        };

    public static string ToWire(this WaitDefault onTimeout) =>
        onTimeout switch
        {
            WaitDefault.Accept => ReviewTimeouts.Accept,
            WaitDefault.Reject => ReviewTimeouts.Reject,
            WaitDefault.Continue => ReviewTimeouts.Continue,
            _ => ReviewTimeouts.Fail,
        };
}
