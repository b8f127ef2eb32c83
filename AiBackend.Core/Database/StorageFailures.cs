using System.Net.Sockets;
using Npgsql;

namespace AiBackend.Core.Database;

/// <summary>Why Postgres did not do what it was asked.</summary>
public enum StorageTrouble
{
    /// <summary>It is away, starting, stopping, read-only, or the way to it is cut.</summary>
    Unreachable,

    /// <summary>Neither it nor this process has a connection to spare.</summary>
    Exhausted,

    /// <summary>Its disk is full: it answers, and takes no writes.</summary>
    Full,

    /// <summary>A lock, a deadlock or a time limit was in the way of this statement; others may do well.</summary>
    Busy,
}

/// <summary>Tells trouble of the storage, which passes, from mistakes in a statement, which do not.</summary>
/// <remarks>
/// Npgsql's own notion of transient is about what may be repeated at once: a server that shuts down, a statement that ran into its
/// time limit and a server that became read-only are none of it. Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
/// </remarks>
public static class StorageFailures
{
    /// <returns>What kind of trouble this is; null when Postgres is well and the statement is not.</returns>
    public static StorageTrouble? Of(Exception failure) =>
        failure switch
        {
            PostgresException refusal => Of(refusal),
            // Npgsql has no type of its own for a pool that stayed empty; its text is pinned by a test.
            NpgsqlException { InnerException: TimeoutException, Message: { } text } when text.Contains("pool", StringComparison.Ordinal) =>
                StorageTrouble.Exhausted,
            _ when IsOfTheWay(failure) => StorageTrouble.Unreachable,
            _ => null,
        };

    /// <summary>For exception filters: what a call to Postgres may throw, as opposed to a mistake of our own.</summary>
    public static bool MayCome(Exception failure) => failure is PostgresException || IsOfTheWay(failure);

    // A connection that breaks at a bad moment fails with the socket's own exception.
    private static bool IsOfTheWay(Exception failure) =>
        failure is (NpgsqlException and not PostgresException) or TimeoutException or IOException or SocketException;

    private static StorageTrouble? Of(PostgresException refusal) =>
        refusal.SqlState switch
        {
            PostgresErrorCodes.DiskFull => StorageTrouble.Full,
            PostgresErrorCodes.TooManyConnections => StorageTrouble.Exhausted,
            PostgresErrorCodes.QueryCanceled => StorageTrouble.Busy,
            // Idle in a transaction for too long, which ends the session.
            PostgresErrorCodes.ReadOnlySqlTransaction or "25P03" => StorageTrouble.Unreachable,
            // Operator intervention: stopped, crashed, starting, database dropped. Connection exceptions.
            ['5', '7', 'P', ..] or ['0', '8', ..] => StorageTrouble.Unreachable,
            _ => refusal.IsTransient ? StorageTrouble.Busy : null,
        };
}
