using AiBackend.Core.Database;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using Npgsql;

namespace AiBackend.Tests.Tenancy;

/// <summary>What people and dashboards see, who log in as docs/operations.md says.</summary>
public sealed partial class ReadonlyRoleTests(PostgresServer postgres, RedisServer redis) : IClassFixture<RedisServer>, IAsyncLifetime
{
    private const string Tables = """
        SELECT c.relname, c.relispartition FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY 1
        """;

    // Whole tables. A new one that belongs here needs a reason as these have; every other one ends its migration with let_read.
    private static readonly Dictionary<string, string> Closed = new()
    {
        ["file_chunks"] = "content of files",
        ["kept_answers"] = "answers, and the keys of callers",
        ["message_key"] = "what messages over Redis are sealed with",
        ["provider_credentials"] = "keys of providers, and pieces of them",
        ["sessions"] = "hashes of cookies",
        ["setup_token"] = "hash of the token",
        ["stream_tickets"] = "hashes of tickets",
    };

    private TestDatabase _db = null!;
    private NpgsqlDataSource _reader = null!;

    public async ValueTask InitializeAsync()
    {
        _db = await postgres.CreateDatabaseAsync();
        var login = $"login_{Guid.CreateVersion7():N}";
        await ExecuteAsync(_db.Source, $"CREATE ROLE {login} LOGIN IN ROLE aibackend_readonly");
        _reader = DatabaseRegistration.Open(
            new NpgsqlConnectionStringBuilder(_db.ConnectionString) { Username = login, MaxPoolSize = 1 }.ConnectionString
        );
    }

    public async ValueTask DisposeAsync()
    {
        await _reader.DisposeAsync();
        await _db.DisposeAsync();
    }

    [Fact]
    public async Task D_7_who_may_only_read_reads_every_table_but_those_that_are_secret_as_a_whole()
    {
        var unread = new List<string>();
        foreach (var (table, isPartition) in await TablesAsync())
        {
            var count = await StateOfAsync($"SELECT count(*) FROM {table}");
            if ((count == "") == (isPartition || Closed.ContainsKey(table)))
            {
                unread.Add($"{table}: {(count == "" ? "is readable" : "SELECT let_read('…') in its migration, or a reason in Closed")}");
            }
        }

        Assert.Empty(unread);
    }

    [Fact]
    public async Task D_7_who_may_only_read_writes_no_table()
    {
        var written = new List<string>();
        foreach (var (table, _) in await TablesAsync())
        {
            foreach (
                var statement in (string[])
                    [
                        $"INSERT INTO {table} DEFAULT VALUES",
                        $"DELETE FROM {table}",
                        $"TRUNCATE {table}",
                        $"DO $$ BEGIN LOCK TABLE {table} IN SHARE MODE; END $$",
                        $"DROP TABLE {table}",
                    ]
            )
            {
                if (await StateOfAsync(statement) != PostgresErrorCodes.InsufficientPrivilege)
                {
                    written.Add(statement);
                }
            }
        }

        Assert.Empty(written);
        Assert.Empty(
            await NamesAsync(
                """
                SELECT c.relname FROM pg_class c
                 WHERE c.relnamespace = 'public'::regnamespace
                   AND CASE WHEN c.relkind = 'S' THEN has_sequence_privilege('aibackend_readonly', c.oid, 'USAGE, UPDATE')
                            WHEN c.relkind IN ('r', 'p', 'v', 'm', 'f')
                            THEN has_any_column_privilege('aibackend_readonly', c.oid, 'INSERT, UPDATE, REFERENCES')
                                 OR has_table_privilege('aibackend_readonly', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
                            ELSE false END
                """
            )
        );
    }

    [Fact]
    public async Task D_7_who_may_only_read_sees_no_secrets_and_nothing_of_what_was_asked_and_answered()
    {
        foreach (
            var secret in (string[])
                [
                    "hash FROM api_keys",
                    "password FROM users",
                    "* FROM users",
                    "email FROM users",
                    "name FROM users",
                    "sealed FROM provider_credentials",
                    "provider FROM provider_credentials",
                    "before FROM audit_log",
                    "secret FROM webhook_endpoints",
                    "old_secret FROM webhook_sources",
                    "secret FROM tools",
                    "definition FROM tools",
                    "definition FROM workflows",
                    "template FROM webhook_sources",
                    "key FROM message_key",
                    "hash FROM sessions",
                    "input FROM job_payloads",
                    "text FROM job_outputs",
                    "data FROM job_events",
                    "content FROM conversation_messages",
                    // Errors quote what was answered.
                    "error_message FROM jobs",
                    "error_message FROM job_attempts",
                    "calls FROM job_attempts",
                    "message FROM dead_letters",
                    "shape FROM dead_letter_groups",
                    "error FROM workflow_steps",
                    "missing FROM job_outputs",
                    "error FROM batch_lines",
                    "faults FROM batches",
                ]
        )
        {
            Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, await StateOfAsync($"SELECT {secret}"));
        }
    }

    [Fact]
    public async Task D_7_who_may_only_read_does_nothing_as_somebody_else()
    {
        // What runs as the owner reads and writes past the role: none of it is for people.
        Assert.Empty(
            await NamesAsync(
                """
                SELECT p.oid::regprocedure::text FROM pg_proc p
                 WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef AND has_function_privilege('aibackend_readonly', p.oid, 'EXECUTE')
                """
            )
        );
        // A view shows what its owner sees, unless it says otherwise.
        Assert.Empty(
            await NamesAsync(
                """
                SELECT c.relname FROM pg_class c
                 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('v', 'm') AND has_any_column_privilege('aibackend_readonly', c.oid, 'SELECT')
                   AND NOT coalesce('security_invoker=true' = ANY (c.reloptions), false)
                """
            )
        );
        foreach (var role in (string[])["aibackend_api", "aibackend_operator", "aibackend_worker", "postgres"])
        {
            Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, await StateOfAsync($"SET ROLE {role}"));
        }

        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, await StateOfAsync("CREATE TABLE mine (id int)"));
        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, await StateOfAsync("COPY jobs TO PROGRAM 'cat'"));
        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, await StateOfAsync("SELECT * FROM pg_authid"));
    }

    [Fact]
    public async Task D_7_who_may_only_read_sees_the_rows_of_whom_he_acts_for_and_else_none()
    {
        await using var core = await CoreHost.StartAsync(_db.ConnectionString, redis.ConnectionString);
        var other = Guid.CreateVersion7();
        await ExecuteAsync(_db.Source, $"INSERT INTO tenants (id, slug) VALUES ('{other}', 'other')");
        await core.SubmitAsync();
        await core.SubmitAsync(CoreHost.Draft() with { TenantId = other });
        await core.SubmitAsync(CoreHost.Draft() with { TenantId = other });

        var unwalled = new List<string>();
        foreach (
            var table in await NamesAsync(
                """
                SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
                 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
                """
            )
        )
        {
            if (!Closed.ContainsKey(table) && await CountAsync(table) != 0)
            {
                unwalled.Add(table);
            }
        }

        Assert.Empty(unwalled);
        Assert.Equal(1, await CountAsync("jobs", ApiKeyStore.DefaultTenant));
        Assert.Equal(2, await CountAsync("jobs", other));
        Assert.Equal(3, await CountAsync("job_events", ApiKeyStore.DefaultTenant, other));
        Assert.Equal(0, await CountAsync("jobs"));
    }

    private async Task<long> CountAsync(string table, params Guid[] tenants)
    {
#pragma warning disable CA2100 // Names of the schema.
        await using var command = tenants is []
            ? _reader.CreateCommand($"SELECT count(*) FROM {table}")
            : _reader.CreateCommandFor(tenants, $"SELECT count(*) FROM {table}");
#pragma warning restore CA2100
        return (long)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }

    private async Task<List<(string Name, bool IsPartition)>> TablesAsync()
    {
        await using var command = _db.Source.CreateCommand(Tables);
        return await command.ReadAllAsync(row => (row.GetString(0), row.GetBoolean(1)), TestRun.Cancel);
    }

    private async Task<List<string>> NamesAsync(string sql)
    {
#pragma warning disable CA2100 // Constants of this class.
        await using var command = _db.Source.CreateCommand(sql);
#pragma warning restore CA2100
        return await command.ReadAllAsync(row => row.GetString(0), TestRun.Cancel);
    }

    /// <summary>"" of a statement that went through.</summary>
    private async Task<string> StateOfAsync(string sql)
    {
        try
        {
            await ExecuteAsync(_reader, sql);
            return "";
        }
        catch (PostgresException refused)
        {
            return refused.SqlState;
        }
    }

    private static async Task ExecuteAsync(NpgsqlDataSource source, string sql)
    {
#pragma warning disable CA2100 // Constants of this class, and names of the schema.
        await using var command = source.CreateCommand(sql);
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync(TestRun.Cancel);
    }
}
