namespace AiBackend.Core.Database;

/// <summary>What a program is in Postgres (0029_tenant_wall.sql); its sessions take on the role, whoever they log in as.</summary>
public enum DatabaseRole
{
    /// <summary>Whoever logs in: for migrations, which own the schema.</summary>
    Owner,

    /// <summary>The Api: rows of the tenants that a statement acts for. Its source under <see cref="DatabaseRegistration.AllTenants"/> sees all.</summary>
    Api,

    /// <summary>A worker, which runs the jobs of all tenants: all rows.</summary>
    Worker,
}
