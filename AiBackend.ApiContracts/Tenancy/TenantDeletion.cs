namespace AiBackend.ApiContracts.Tenancy;

/// <summary>That a tenant is to be deleted.</summary>
public sealed record DeleteTenantRequest
{
    /// <summary>Its slug once more, so that nobody deletes another one by mistake.</summary>
    public string? Confirm { get; init; }

    /// <summary>Why; it is in the proof.</summary>
    public string? Reason { get; init; }
}

/// <summary>A tenant that is being deleted, or was; then it is the proof.</summary>
public sealed record TenantDeletion
{
    /// <summary>Its id.</summary>
    public required Guid Id { get; init; }

    /// <summary>The tenant.</summary>
    public required Guid TenantId { get; init; }

    /// <summary>The tenant's name in addresses.</summary>
    public required string Slug { get; init; }

    /// <summary><c>running</c>, or <c>finished</c> when every table was found to have nothing of it any more.</summary>
    public required string Status { get; init; }

    /// <summary>Why.</summary>
    public required string Reason { get; init; }

    /// <summary>Public id of the key, or the user, who wanted it.</summary>
    public required string RequestedBy { get; init; }

    /// <summary>When it was asked for; from then on none of the tenant's keys is accepted.</summary>
    public required DateTimeOffset RequestedAt { get; init; }

    /// <summary>When it was finished.</summary>
    public DateTimeOffset? FinishedAt { get; init; }

    /// <summary>Rows that are gone, by table.</summary>
    public required IReadOnlyDictionary<string, long> Rows { get; init; }

    /// <summary>The row of the audit log that says the same, once it is finished.</summary>
    public DeletionProof? Proof { get; init; }

    /// <summary>What was found when every table was looked at again, an hour after the end; null until then.</summary>
    public SecondLook? SecondLook { get; init; }
}

/// <summary>Every table of a deleted tenant was looked at again, for what a transaction that was late may have written after the end.</summary>
/// <param name="At">When.</param>
/// <param name="Rows">Rows that had come and are gone too, by table; mostly none.</param>
/// <param name="Proof">The row of the audit log that says the same.</param>
public sealed record SecondLook(DateTimeOffset At, IReadOnlyDictionary<string, long> Rows, DeletionProof Proof);

/// <summary>A row of the audit log, which nobody can change unnoticed: <c>GET /api/v1/audit/verification</c> checks its chain.</summary>
/// <param name="AuditSeq">Its number.</param>
/// <param name="AuditHash">Its hash, in hexadecimal, which covers every row before it.</param>
public sealed record DeletionProof(long AuditSeq, string AuditHash);
