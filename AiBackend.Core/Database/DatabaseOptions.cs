using System.ComponentModel.DataAnnotations;

namespace AiBackend.Core.Database;

/// <summary>What a statement of ours may cost others. Section <c>Database</c>; changes need a restart.</summary>
/// <remarks>Postgres keeps these limits itself, so that they hold for a process that was frozen or cut off.</remarks>
public sealed class DatabaseOptions
{
    /// <summary>Configuration section.</summary>
    public const string SectionName = "Database";

    /// <summary>Longest a statement waits for a lock. Default 3 s: somebody holds the table, and callers are better told than kept.</summary>
    [Range(typeof(TimeSpan), "00:00:00.100", "00:05:00")]
    public TimeSpan LockTimeout { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>Longest a transaction of ours may sit idle before its session is ended. Default 10 s; none ever should.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:10:00")]
    public TimeSpan IdleInTransactionTimeout { get; set; } = TimeSpan.FromSeconds(10);
}
