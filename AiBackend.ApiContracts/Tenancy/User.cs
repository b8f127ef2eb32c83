namespace AiBackend.ApiContracts.Tenancy;

/// <summary>A person who signs in.</summary>
public sealed record User
{
    /// <summary>The id.</summary>
    public required Guid Id { get; init; }

    /// <summary>What the user signs in with, in lower case.</summary>
    public required string Email { get; init; }

    /// <summary>For people.</summary>
    public required string Name { get; init; }

    /// <summary><c>viewer</c>, <c>member</c>, <c>operator</c> or <c>admin</c>: each may do what the one before may.</summary>
    public required string Role { get; init; }

    /// <summary>Slug of the organisation.</summary>
    public required string Organisation { get; init; }

    /// <summary>When it was made.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>Since when it may not sign in; null when it may.</summary>
    public DateTimeOffset? DisabledAt { get; init; }

    /// <summary>When it last signed in.</summary>
    public DateTimeOffset? LastSignInAt { get; init; }
}

/// <summary>Users.</summary>
/// <param name="Data">By address.</param>
public sealed record UserList(IReadOnlyList<User> Data);

/// <summary>What a new user is to be.</summary>
public sealed record CreateUserRequest
{
    /// <summary>The address to sign in with, up to 200 characters.</summary>
    public string? Email { get; init; }

    /// <summary>For people, up to 100 characters; left out, the address.</summary>
    public string? Name { get; init; }

    /// <summary><c>viewer</c>, <c>member</c>, <c>operator</c> or <c>admin</c>.</summary>
    public string? Role { get; init; }

    /// <summary>12 to 200 characters.</summary>
    public string? Password { get; init; }
}

/// <summary>What is to change about a user; what is left out stays.</summary>
public sealed record ChangeUserRequest
{
    /// <summary>For people, up to 100 characters.</summary>
    public string? Name { get; init; }

    /// <summary><c>viewer</c>, <c>member</c>, <c>operator</c> or <c>admin</c>.</summary>
    public string? Role { get; init; }

    /// <summary>Another password; it ends the user's sessions.</summary>
    public string? Password { get; init; }

    /// <summary>Whether it may not sign in; it ends the user's sessions.</summary>
    public bool? Disabled { get; init; }
}

/// <summary>Who wants to sign in.</summary>
public sealed record CreateSessionRequest
{
    /// <summary>The address.</summary>
    public string? Email { get; init; }

    /// <summary>The password.</summary>
    public string? Password { get; init; }
}

/// <summary>The first administrator of an installation.</summary>
public sealed record SetupRequest
{
    /// <summary>The token from the server's log, or an API key that may make users.</summary>
    public string? Token { get; init; }

    /// <summary>The address to sign in with.</summary>
    public string? Email { get; init; }

    /// <summary>For people; left out, the address.</summary>
    public string? Name { get; init; }

    /// <summary>12 to 200 characters.</summary>
    public string? Password { get; init; }
}

/// <summary>Whether an installation waits for its first administrator.</summary>
/// <param name="Needed">There is no user yet.</param>
public sealed record SetupState(bool Needed);

/// <summary>A session that was just begun.</summary>
/// <param name="Token">Sent like a key, as <c>Authorization: Bearer aibs_…</c>. Shown this once.</param>
/// <param name="User">Who signed in.</param>
public sealed record SessionBegun(string Token, User User);

/// <summary>Who asks, and what for.</summary>
/// <param name="Actor">The key's public id, or the user's.</param>
/// <param name="User">Who signed in; null for a key.</param>
/// <param name="Tenant">Slug of the tenant.</param>
/// <param name="Organisation">Slug of its organisation.</param>
/// <param name="Scopes">What is allowed.</param>
/// <param name="IsOperator">Whether the tenant is the operators'.</param>
public sealed record SessionInfo(
    string Actor,
    User? User,
    string Tenant,
    string Organisation,
    IReadOnlyList<string> Scopes,
    bool IsOperator
)
{
    /// <summary>The tenants that a user may work in, by slug, at most 100; empty for a key, which has the one.</summary>
    public IReadOnlyList<SessionTenant> Tenants { get; init; } = [];
}

/// <summary>A tenant that a user may work in.</summary>
/// <param name="Slug">Its name in addresses.</param>
/// <param name="Name">Its name for people.</param>
public sealed record SessionTenant(string Slug, string Name);

/// <summary>Another project to work in.</summary>
public sealed record ChangeSessionRequest
{
    /// <summary>Slug of a tenant of the user's organisation.</summary>
    public string? Tenant { get; init; }
}
