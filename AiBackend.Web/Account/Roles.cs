namespace AiBackend.Web.Account;

/// <summary>What people may be, in words.</summary>
internal static class Roles
{
    /// <summary>Name, and what it may do; each may do what the one before may.</summary>
    public static IReadOnlyList<(string Name, string May)> All { get; } =
    [
        ("viewer", "looks"),
        ("member", "also asks, stops, replays and reviews"),
        ("operator", "also sees keys and webhooks, changes prompts, and runs the installation where it is the operators'"),
        ("admin", "also makes projects, keys, webhooks and users"),
    ];

    /// <summary>The least role that has a scope.</summary>
    public static string For(string scope) =>
        scope switch
        {
            "jobs:write" or "reviews:write" => "member",
            "operations:write" or "prompts:write" => "operator",
            _ => "admin",
        };
}
