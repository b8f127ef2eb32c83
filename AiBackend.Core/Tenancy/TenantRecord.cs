namespace AiBackend.Core.Tenancy;

/// <summary>An organisation: whose projects share an administration.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Slug">Its name in addresses.</param>
/// <param name="Name">Its name for people.</param>
/// <param name="CreatedAt">When it was made.</param>
/// <param name="Tenants">How many projects it has.</param>
public sealed record OrganisationRecord(Guid Id, string Slug, string Name, DateTimeOffset CreatedAt, long Tenants);

/// <summary>A tenant: a project of an organisation.</summary>
public sealed record TenantRecord
{
    /// <summary>Its id.</summary>
    public required Guid Id { get; init; }

    /// <summary>Its name in addresses.</summary>
    public required string Slug { get; init; }

    /// <summary>Its name for people.</summary>
    public required string Name { get; init; }

    /// <summary>Slug of its organisation.</summary>
    public required string Organisation { get; init; }

    /// <summary>Its organisation.</summary>
    public required Guid OrganisationId { get; init; }

    /// <summary>Its tier.</summary>
    public required string Tier { get; init; }

    /// <summary>How many of its jobs may wait; null is the configured number.</summary>
    public long? MaxQueued { get; init; }

    /// <summary>How many of its jobs may run at once; null is as many as there are slots.</summary>
    public long? MaxRunning { get; init; }

    /// <summary>Slots that are kept free for it while it uses fewer.</summary>
    public int ReservedSlots { get; init; }

    /// <summary>After how many days an ended job is deleted; null is the installation's time.</summary>
    public int? ContentDays { get; init; }

    /// <summary>When it was made.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>Since when none of its keys is accepted; null when they are.</summary>
    public DateTimeOffset? DisabledAt { get; init; }
}
