namespace AiBackend.Core.Audit;

/// <summary>A row of the audit log.</summary>
/// <param name="Seq">Its number, from 1 without gaps.</param>
/// <param name="At">When.</param>
/// <param name="Tenant">Slug of the tenant that it is about; null when there is none any more.</param>
/// <param name="Actor">Public id of the key, the user, or who else it was.</param>
/// <param name="Action">What was asked for.</param>
/// <param name="Kind">Of what.</param>
/// <param name="Object">Which.</param>
/// <param name="Before">What changed as it was, as JSON; null when it was not there.</param>
/// <param name="After">What changed as it is, as JSON; null when it is gone.</param>
/// <param name="RequestId">Trace id of the request.</param>
/// <param name="Address">Where the request came from.</param>
public sealed record AuditEntry(
    long Seq,
    DateTimeOffset At,
    string? Tenant,
    string Actor,
    string Action,
    string Kind,
    string Object,
    string? Before,
    string? After,
    string? RequestId,
    string? Address
);

/// <summary>Which rows of the audit log are wanted; what is null does not matter.</summary>
/// <param name="TenantId">Whose; null is everybody's.</param>
public sealed record AuditFilter(Guid? TenantId)
{
    /// <summary>Only of this actor.</summary>
    public string? Actor { get; init; }

    /// <summary>Only this action.</summary>
    public string? Action { get; init; }

    /// <summary>Only of this kind of object.</summary>
    public string? Kind { get; init; }

    /// <summary>Only of this object.</summary>
    public string? Object { get; init; }

    /// <summary>Not before.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>Before.</summary>
    public DateTimeOffset? Before { get; init; }
}

/// <summary>Whether the audit log is as it was written.</summary>
/// <param name="Rows">How many rows were looked at.</param>
/// <param name="FirstBad">Number of the first row that was changed or is missing; null when there is none.</param>
/// <param name="Seq">Number of the latest row.</param>
/// <param name="Hash">Its hash, in hexadecimal: kept elsewhere, it proves later that nothing before it was rewritten.</param>
public sealed record AuditVerdict(long Rows, long? FirstBad, long Seq, string Hash);
