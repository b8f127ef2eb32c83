using System.Text.Json;

namespace AiBackend.ApiContracts.Audit;

/// <summary>Something that somebody did, or was refused, to the installation.</summary>
public sealed record AuditRecord
{
    /// <summary>Its number, from 1 without gaps.</summary>
    public required long Seq { get; init; }

    /// <summary>When.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>Slug of the tenant that it is about.</summary>
    public string? Tenant { get; init; }

    /// <summary>Public id of the API key, a user, or <c>database:…</c> for who changed the database without the Api.</summary>
    public required string Actor { get; init; }

    /// <summary>What was asked for, such as <c>pause_work</c>.</summary>
    public required string Action { get; init; }

    /// <summary>Of what, such as <c>budget</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>Which.</summary>
    public required string Object { get; init; }

    /// <summary>What changed, as it was; null when it was not there. Never a secret.</summary>
    public JsonElement? Before { get; init; }

    /// <summary>What changed, as it is; null when it is gone. Never a secret.</summary>
    public JsonElement? After { get; init; }

    /// <summary>Trace id of the request.</summary>
    public string? RequestId { get; init; }

    /// <summary>Where the request came from.</summary>
    public string? Address { get; init; }
}

/// <summary>A page of the audit log.</summary>
/// <param name="Data">Newest first.</param>
/// <param name="NextBefore">Send as <c>before_seq</c> for the next page; null on the last one.</param>
public sealed record AuditPage(IReadOnlyList<AuditRecord> Data, long? NextBefore);

/// <summary>Whether the audit log is as it was written.</summary>
/// <param name="Intact">Whether every row is as it was written and none is missing.</param>
/// <param name="Rows">How many rows were looked at.</param>
/// <param name="FirstBad">Number of the first row that was changed or is missing.</param>
/// <param name="Seq">Number of the latest row.</param>
/// <param name="Hash">Its hash: kept elsewhere, it proves later that nothing before it was rewritten.</param>
public sealed record AuditVerification(bool Intact, long Rows, long? FirstBad, long Seq, string Hash);
