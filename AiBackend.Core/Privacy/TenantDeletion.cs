namespace AiBackend.Core.Privacy;

/// <summary>A tenant that is being deleted, or was; then it is the proof.</summary>
public sealed record TenantDeletion
{
    /// <summary>Its id.</summary>
    public required Guid Id { get; init; }

    /// <summary>The tenant.</summary>
    public required Guid TenantId { get; init; }

    /// <summary>The tenant's name in addresses.</summary>
    public required string Slug { get; init; }

    /// <summary>Why.</summary>
    public required string Reason { get; init; }

    /// <summary>Public id of the key, or the user, who wanted it.</summary>
    public required string RequestedBy { get; init; }

    /// <summary>When it was asked for; from then on none of the tenant's keys is accepted.</summary>
    public required DateTimeOffset RequestedAt { get; init; }

    /// <summary>Rows that are gone, by table.</summary>
    public required IReadOnlyDictionary<string, long> Rows { get; init; }

    /// <summary>When every table was found to have nothing of it any more; null while it goes on.</summary>
    public DateTimeOffset? FinishedAt { get; init; }

    /// <summary>Number of the row of the audit log that says so.</summary>
    public long? AuditSeq { get; init; }

    /// <summary>The hash of that row, in hexadecimal, which covers every row before it.</summary>
    public string? AuditHash { get; init; }

    /// <summary>What was found an hour later; null until then.</summary>
    public SecondLook? SecondLook { get; init; }
}

/// <summary>Every table of a deleted tenant was looked at again.</summary>
/// <param name="At">When.</param>
/// <param name="Rows">Rows that had come after the end and are gone too, by table.</param>
/// <param name="AuditSeq">Number of the row of the audit log that says so.</param>
/// <param name="AuditHash">Its hash, in hexadecimal.</param>
public sealed record SecondLook(DateTimeOffset At, IReadOnlyDictionary<string, long> Rows, long AuditSeq, string AuditHash);
