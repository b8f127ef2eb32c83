namespace AiBackend.Core.Controls;

/// <summary>What an operator can hold back. The numbers are in the table <c>controls</c>.</summary>
public enum ControlKind
{
    /// <summary>A pool.</summary>
    Queue = 0,

    /// <summary>Everything of one tenant.</summary>
    Tenant = 1,

    /// <summary>Jobs that ask for a route or model by this name.</summary>
    Model = 2,

    /// <summary>Calls to a provider.</summary>
    Provider = 3,
}

/// <summary>How it is held back. The numbers are in the table <c>controls</c>.</summary>
public enum ControlMode
{
    /// <summary>Accepted, and not started.</summary>
    Paused = 1,

    /// <summary>No longer accepted; what was accepted runs off.</summary>
    Draining = 2,
}

/// <summary>What is meant.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Name">Of a tenant, its slug.</param>
public readonly record struct ControlTarget(ControlKind Kind, string Name);

/// <summary>Something that is held back.</summary>
public sealed record Control
{
    /// <summary>What.</summary>
    public required ControlTarget Target { get; init; }

    /// <summary>How.</summary>
    public required ControlMode Mode { get; init; }

    /// <summary>Of a tenant, its id.</summary>
    public Guid? TenantId { get; init; }

    /// <summary>Why, in the operator's words.</summary>
    public string? Reason { get; init; }

    /// <summary>Public id of the key that asked for it.</summary>
    public required string SetBy { get; init; }

    /// <summary>When.</summary>
    public required DateTimeOffset SetAt { get; init; }

    /// <summary>The same, by the clock of this process.</summary>
    public required DateTimeOffset HeldSince { get; init; }
}

/// <summary>The names on the wire.</summary>
public static class ControlNames
{
    /// <summary>Every kind.</summary>
    public static readonly IReadOnlyList<string> AllKinds = ["queue", "tenant", "model", "provider"];

    /// <summary>The kind's name.</summary>
    public static string ToWire(this ControlKind kind) => AllKinds[(int)kind];

    /// <summary>The mode's name.</summary>
    public static string ToWire(this ControlMode mode) => mode == ControlMode.Paused ? "paused" : "draining";

    /// <summary>The reverse of <see cref="ToWire(ControlKind)"/>.</summary>
    public static bool TryParseKind(string? name, out ControlKind kind)
    {
        for (var i = 0; i < AllKinds.Count; i++)
        {
            if (AllKinds[i] == name)
            {
                kind = (ControlKind)i;
                return true;
            }
        }

        kind = default;
        return false;
    }
}
