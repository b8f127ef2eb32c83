using AiBackend.ApiContracts.Tenancy;
using AiBackend.Web.Runs;

namespace AiBackend.Web.Keys;

/// <summary>Keys in words for people.</summary>
internal static class KeyWords
{
    /// <summary>What programs are usually made for, and the scopes they take.</summary>
    public static IReadOnlyList<(string Word, string Scopes)> Uses { get; } =
    [
        ("submit and read jobs", "jobs:read,jobs:write"),
        ("submit and read jobs that look into texts", "jobs:read,jobs:write,knowledge:read"),
        ("only read jobs", "jobs:read"),
        ("watch operations", "jobs:read,operations:read"),
        ("decide reviews", "reviews:read,reviews:write"),
        ("manage webhooks", "jobs:read,jobs:write,webhooks:read,webhooks:write"),
        ("everything that I may", "*"),
    ];

    /// <summary>The look of its state, which <c>AiStatus</c> knows.</summary>
    public static string Look(Key key) =>
        key.Status switch
        {
            "active" => key.ReplacedBy is null ? "healthy" : "degraded",
            "expired" => "cancelled",
            _ => "failed",
        };

    public static string State(Key key) =>
        key switch
        {
            { Status: "active", ReplacedBy: { } next } => $"Rolled to {next}",
            { Status: "active" } => "Works",
            { Status: "expired" } => "Expired",
            _ => "Revoked",
        };

    public static string Scopes(Key key) => key.Scopes.Contains("*", StringComparer.Ordinal) ? "everything" : string.Join(", ", key.Scopes);

    /// <summary>What it is bound to; empty when it is to nothing.</summary>
    public static string Bounds(Key key)
    {
        var limits = key.Limits;
        string?[] parts =
        [
            limits.RequestsPerMinute is { } requests ? RunWords.Number(requests) + " requests a minute" : null,
            limits.TokensPerMinute is { } tokens ? RunWords.Number(tokens) + " tokens a minute" : null,
            limits.MaxQueued is { } queued ? RunWords.Number(queued) + " waiting" : null,
            limits.MaxRunning is { } running ? RunWords.Number(running) + " at once" : null,
            key.HighestPriority is { } priority ? "at most " + priority : null,
            key.AllowedModels is { } models ? "models " + string.Join(", ", models) : null,
            key.AllowedNetworks is { } networks ? "from " + string.Join(", ", networks) : null,
        ];
        return string.Join(" · ", parts.OfType<string>());
    }

    /// <summary>A list that somebody typed: by commas or blanks; null when there is nothing in it.</summary>
    public static IReadOnlyList<string>? Listed(string text) =>
        text.Split([',', ' ', '\n', '\t'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) is { Length: > 0 } parts
            ? parts
            : null;
}
