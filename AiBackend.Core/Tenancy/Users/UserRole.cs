namespace AiBackend.Core.Tenancy.Users;

/// <summary>What a user may do in the organisation. The numbers are stored; never renumber. Each may do what the one before may.</summary>
public enum UserRole : short
{
    /// <summary>Looks.</summary>
    Viewer = 0,

    /// <summary>Submits and cancels jobs, replays and discards dead letters, decides reviews.</summary>
    Member = 1,

    /// <summary>Runs the installation: pauses, routes, prices, budgets.</summary>
    Operator = 2,

    /// <summary>Also makes tenants, keys and users.</summary>
    Admin = 3,
}

/// <summary>Names of roles on the wire.</summary>
public static class UserRoles
{
    private static readonly string[] Names = ["viewer", "member", "operator", "admin"];

    /// <summary>Every role, the least first.</summary>
    public static IReadOnlyList<string> All => Names;

    /// <summary>The role's name.</summary>
    public static string ToWire(this UserRole role) => Names[(int)role];

    /// <summary>Reads a name.</summary>
    public static bool TryParse(string? name, out UserRole role)
    {
        var index = Array.IndexOf(Names, name);
        role = (UserRole)Math.Max(index, 0);
        return index >= 0;
    }

    /// <summary>What the role lets a session do.</summary>
    /// <param name="role">The role.</param>
    /// <param name="ofOperators">Whether the user belongs to the operators' organisation: what all tenants share is run by nobody else.</param>
    public static IReadOnlyList<string> ScopesOf(UserRole role, bool ofOperators)
    {
        List<string> scopes = ["jobs:read", "knowledge:read", "reviews:read"];
        Add(ofOperators, "operations:read");
        Add(role >= UserRole.Member, "jobs:write", "knowledge:write", "reviews:write");
        Add(role >= UserRole.Operator, "keys:read", "tenants:read", "audit:read", "webhooks:read", "tools:read", "prompts:write");
        Add(role >= UserRole.Operator && ofOperators, "operations:write");
        Add(
            role >= UserRole.Admin,
            "keys:write",
            "tenants:write",
            "users:read",
            "users:write",
            "webhooks:write",
            "tools:write",
            "workflows:write"
        );
        return scopes;

        void Add(bool condition, params ReadOnlySpan<string> more)
        {
            if (condition)
            {
                scopes.AddRange(more);
            }
        }
    }
}
