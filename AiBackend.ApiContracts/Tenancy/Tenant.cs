namespace AiBackend.ApiContracts.Tenancy;

/// <summary>A tenant: a project of an organisation. Jobs, keys and money belong to one.</summary>
public sealed record Tenant
{
    /// <summary>Its id.</summary>
    public required Guid Id { get; init; }

    /// <summary>Its name in addresses and filters.</summary>
    public required string Slug { get; init; }

    /// <summary>Its name for people.</summary>
    public required string Name { get; init; }

    /// <summary>Slug of the organisation that it belongs to.</summary>
    public required string Organisation { get; init; }

    /// <summary>Its tier: its share of the slots, and how urgent its jobs may be.</summary>
    public required string Tier { get; init; }

    /// <summary>How many of its jobs may wait; null is the installation's number.</summary>
    public long? MaxQueued { get; init; }

    /// <summary>How many of its jobs may run at once; null is as many as there are slots.</summary>
    public long? MaxRunning { get; init; }

    /// <summary>Slots of the default pool that are kept free for its jobs while they use fewer; others wait meanwhile. 0 is none.</summary>
    public int ReservedSlots { get; init; }

    /// <summary>After how many days an ended job, a file and an ended batch are deleted; null is the installation's time.</summary>
    public int? ContentDays { get; init; }

    /// <summary>When it was made.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>Since when none of its keys is accepted; null when they are.</summary>
    public DateTimeOffset? DisabledAt { get; init; }
}

/// <summary>Tenants.</summary>
/// <param name="Data">By organisation and slug.</param>
public sealed record TenantList(IReadOnlyList<Tenant> Data);

/// <summary>What a new tenant is to be.</summary>
public sealed record CreateTenantRequest
{
    /// <summary>Its name in addresses: 1 to 63 lower-case letters, digits and hyphens.</summary>
    public string? Slug { get; init; }

    /// <summary>Its name for people; left out, the slug.</summary>
    public string? Name { get; init; }

    /// <summary>For operators: slug of its organisation. Left out, your own.</summary>
    public string? Organisation { get; init; }

    /// <summary>For operators: its tier; default <c>standard</c>.</summary>
    public string? Tier { get; init; }

    /// <summary>For operators: how many of its jobs may wait.</summary>
    public long? MaxQueued { get; init; }

    /// <summary>For operators: how many of its jobs may run at once; more wait. Left out, as many as there are slots.</summary>
    public long? MaxRunning { get; init; }

    /// <summary>For operators: slots that are kept free for its jobs, 0 to 10 000; default 0.</summary>
    public int? ReservedSlots { get; init; }
}

/// <summary>What is to change about a tenant; what is left out stays.</summary>
public sealed record ChangeTenantRequest
{
    /// <summary>Its name for people.</summary>
    public string? Name { get; init; }

    /// <summary>For operators: its tier.</summary>
    public string? Tier { get; init; }

    /// <summary>For operators: how many of its jobs may wait; 0 is the installation's number.</summary>
    public long? MaxQueued { get; init; }

    /// <summary>For operators: how many of its jobs may run at once; 0 is as many as there are slots.</summary>
    public long? MaxRunning { get; init; }

    /// <summary>For operators: slots that are kept free for its jobs, 0 to 10 000.</summary>
    public int? ReservedSlots { get; init; }

    /// <summary>After how many days an ended job, a file and an ended batch are deleted, up to the installation's time; 0 is that.</summary>
    public int? ContentDays { get; init; }

    /// <summary>Whether none of its keys is accepted. What was submitted is still done.</summary>
    public bool? Disabled { get; init; }
}

/// <summary>An organisation: whose tenants share an administration.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Slug">Its name in addresses.</param>
/// <param name="Name">Its name for people.</param>
/// <param name="CreatedAt">When it was made.</param>
/// <param name="Tenants">How many tenants it has.</param>
public sealed record Organisation(Guid Id, string Slug, string Name, DateTimeOffset CreatedAt, long Tenants);

/// <summary>Organisations.</summary>
/// <param name="Data">By slug.</param>
public sealed record OrganisationList(IReadOnlyList<Organisation> Data);

/// <summary>What a new organisation is to be.</summary>
public sealed record CreateOrganisationRequest
{
    /// <summary>Its name in addresses: 1 to 63 lower-case letters, digits and hyphens.</summary>
    public string? Slug { get; init; }

    /// <summary>Its name for people; left out, the slug.</summary>
    public string? Name { get; init; }
}
