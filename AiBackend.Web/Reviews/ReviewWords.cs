using System.Text.Encodings.Web;
using System.Text.Json;
using AiBackend.ApiContracts.Reviews;
using AiBackend.Web.Runs;

namespace AiBackend.Web.Reviews;

/// <summary>Reviews in words for people.</summary>
internal static class ReviewWords
{
    // Shown as text and never as markup.
    private static readonly JsonSerializerOptions Readable = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static string Title(Review review) =>
        string.IsNullOrWhiteSpace(review.Title) ? $"Run {review.JobId.ToString()[..8]}" : RunWords.Title(review.Title);

    public static string Reason(string reason) =>
        reason switch
        {
            ReviewReasons.Contract => "Breaks its contract",
            ReviewReasons.Step => "A workflow asks",
            "" => "Needs a decision",
            _ => char.ToUpperInvariant(reason[0]) + reason[1..].Replace('_', ' '),
        };

    public static string Proposed(Review review) =>
        review switch
        {
            { Reason: ReviewReasons.Step, Decision: null } => "Value to approve",
            { Reason: ReviewReasons.Step } => "Value that was to be approved",
            { Decision: null } => "Proposed result",
            _ => "Result that was proposed",
        };

    public static string AboutCalls(string reason) =>
        reason == ReviewReasons.ToolApproval
            ? "The model asks for these calls of tools. Approve makes them."
            : "These calls were sent, and nobody knows whether they took effect. Find out; the comment goes to the model.";

    /// <summary>Whether a schema asks for more than JSON.</summary>
    public static bool SaysSomething(JsonElement schema) => schema.ValueKind != JsonValueKind.Object || schema.EnumerateObject().Any();

    public static string Then(string? onTimeout) =>
        onTimeout switch
        {
            ReviewTimeouts.Accept => "then it is approved",
            ReviewTimeouts.Reject => "then it is rejected",
            ReviewTimeouts.Continue => "then the model tries again",
            _ => "then the run fails",
        };

    public static string Decision(ReviewDecision decision) =>
        decision switch
        {
            { Kind: ReviewDecisions.Approved, Edited: true, Overridden: true } => "Approved after an edit, against its contract",
            { Kind: ReviewDecisions.Approved, Edited: true } => "Approved after an edit",
            { Kind: ReviewDecisions.Approved } => "Approved",
            { Kind: ReviewDecisions.Rejected } => "Rejected",
            { Kind: ReviewDecisions.Continued } => "Sent back for another try",
            { Kind: ReviewDecisions.TimedOut } => "Nobody decided in time",
            _ => "The run ended before a decision",
        };

    /// <summary>JSON with line breaks; any other text as it is.</summary>
    public static string Pretty(string text)
    {
        try
        {
            using var json = JsonDocument.Parse(text);
            return JsonSerializer.Serialize(json.RootElement, Readable);
        }
        catch (JsonException)
        {
            return text;
        }
    }

    public static string Pretty(JsonElement value) => JsonSerializer.Serialize(value, Readable);
}
