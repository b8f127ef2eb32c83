using AiBackend.ApiContracts.DeadLetters;

namespace AiBackend.Web.DeadLetters;

/// <summary>What the page of dead letters shows, taken at one moment.</summary>
/// <param name="Groups">The causes.</param>
/// <param name="Actions">The newest bulk actions.</param>
/// <param name="Alerts">Those that are active.</param>
public sealed record LettersSnapshot(DeadLetterGroupPage Groups, IReadOnlyList<BulkAction> Actions, IReadOnlyList<Alert> Alerts);
