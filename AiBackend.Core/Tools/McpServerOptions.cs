namespace AiBackend.Core.Tools;

/// <summary>An MCP server that speaks over its standard input and output. A worker starts one for each call, so that no call finds what another one left.</summary>
public sealed class McpServerOptions
{
    /// <summary>Stands for every tenant.</summary>
    private const string Everybody = "*";

    /// <summary>The program.</summary>
    public string? Command { get; set; }

    /// <summary>Its arguments, one each.</summary>
    public IList<string> Arguments { get; } = [];

    /// <summary>Its environment, besides what every program needs, such as <c>PATH</c> and <c>HOME</c>. Nothing else of the worker's is passed on: that has the installation's secrets.</summary>
    public IDictionary<string, string> Environment { get; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Ids of the tenants whose tools may name it; <c>*</c> is all of them.</summary>
    public IList<string> Tenants { get; } = [];

    /// <summary>Whether a tenant's tools may name it.</summary>
    public bool IsFor(Guid tenantId) =>
        Tenants.Any(tenant =>
            string.Equals(tenant, Everybody, StringComparison.Ordinal) || (Guid.TryParse(tenant, out var id) && id == tenantId)
        );
}
