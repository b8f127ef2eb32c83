using System.Text.Json;

namespace AiBackend.Core.Audit;

/// <summary>Who does what, for the audit log.</summary>
/// <param name="TenantId">On whose behalf.</param>
/// <param name="Actor">Public id of the key, or the user.</param>
/// <param name="Action">What was asked for.</param>
/// <param name="RequestId">Trace id of the request.</param>
/// <param name="Address">Where it came from.</param>
public sealed record AuditActor(Guid TenantId, string Actor, string Action, string? RequestId, string? Address)
{
    private static readonly AsyncLocal<AuditActor?> Ambient = new();

    /// <summary>Of the request that runs; null outside of one. Ambient, so that no store can be called without it.</summary>
    public static AuditActor? Current
    {
        get => Ambient.Value;
        set => Ambient.Value = value;
    }

    /// <summary>As <c>acting_as</c> in 0025b_audit.sql wants it.</summary>
    internal string ToJson()
    {
        using var memory = new MemoryStream();
        using (var json = new Utf8JsonWriter(memory))
        {
            json.WriteStartObject();
            json.WriteString("tenant", TenantId);
            json.WriteString("actor", Actor);
            json.WriteString("action", Action);
            json.WriteString("request", RequestId);
            json.WriteString("address", Address);
            json.WriteEndObject();
        }

        return System.Text.Encoding.UTF8.GetString(memory.ToArray());
    }
}
