using AiBackend.Core.Database;
using AiBackend.Core.Events;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using Npgsql;

namespace AiBackend.Tests.Tenancy;

/// <summary>With the wall as it is in production.</summary>
public sealed class WalledApi(PostgresServer postgres) : ApiServer(postgres)
{
    protected override bool IsWallLoud => false;
}

/// <summary>What Postgres itself keeps from the Api, whatever a statement forgets.</summary>
public sealed class TenantWallTests(PostgresServer postgres, WalledApi api) : IClassFixture<WalledApi>
{
    private const string Forgetful = "SELECT count(*) FROM jobs";
    private const string Api = "aibackend_api";

    private readonly Guid _own = ApiKeyStore.DefaultTenant;

    [Fact]
    public async Task D_7_every_table_with_rows_of_tenants_is_behind_the_wall_and_its_partitions_are_closed()
    {
        const string Open = """
            SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
               AND CASE WHEN c.relispartition
                        THEN has_table_privilege('aibackend_api', c.oid, 'SELECT') OR has_table_privilege('aibackend_operator', c.oid, 'SELECT')
                        ELSE NOT (c.relrowsecurity AND c.relforcerowsecurity
                                  AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'of_acting_tenants')) END
            """;
        await using var command = api.Db.Source.CreateCommand(Open);

        Assert.Empty(await command.ReadAllAsync(row => row.GetString(0), TestRun.Cancel));
    }

    [Fact]
    public async Task A_4_a_pooled_session_shows_each_tenant_its_own_rows_and_nobody_none()
    {
        await api.AddTenantAsync();
        var other = await ScalarAsync<Guid>(api.Db.Source, "SELECT id FROM tenants WHERE id <> @id LIMIT 1", ("id", _own));
        await SubmitAsync(_own, other, other);
        await using var source = Open(Api, poolSize: 1);
        var (mine, theirs) = (await CountAsync(source, _own), await CountAsync(source, other));
        Assert.True(mine >= 1 && theirs == mine + 1 || theirs >= 2, $"{mine}, {theirs}");

        for (var round = 0; round < 1000; round++)
        {
            Assert.Equal(mine, await CountAsync(source, _own));
            Assert.Equal(theirs, await CountAsync(source, other));
            Assert.Equal(0, await ScalarAsync<long>(source, Forgetful));
        }

        Assert.Equal(mine + theirs, await CountAsync(source, _own, other));
    }

    [Fact]
    public async Task A_4_a_row_of_another_tenant_is_not_written()
    {
        await using var source = Open(Api);
        await using var command = source.CreateCommandFor(
            _own,
            "INSERT INTO idempotency_keys (tenant_id, route, key, fingerprint, job_id, expires_at) VALUES (@other, 'jobs', 'k', '', @other, now())"
        );
        command.Parameters.AddWithValue("other", Guid.CreateVersion7());

        var refused = await Assert.ThrowsAsync<PostgresException>(() => command.ExecuteNonQueryAsync(TestRun.Cancel));

        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, refused.SqlState);
    }

    [Fact]
    public async Task Ended_jobs_of_several_tenants_are_read_together_and_each_by_its_own()
    {
        await api.AddTenantAsync();
        var other = await ScalarAsync<Guid>(api.Db.Source, "SELECT id FROM tenants WHERE id <> @id LIMIT 1", ("id", _own));
        var ids = await SubmitAsync(_own, other);
        await api.Get<CancelJob>().RunAsync(_own, ids[0], TestRun.Cancel);
        await api.Get<CancelJob>().RunAsync(other, ids[1], TestRun.Cancel);

        var asked = Enumerable.Range(0, 12).Select(i => (Tenant: i % 3 == 0 ? _own : other, Job: ids[i % 2])).ToList();
        var found = await Task.WhenAll(asked.Select(each => api.Get<EndedJobs>().FindAsync(each.Tenant, each.Job, TestRun.Cancel)));

        Assert.Equal(
            asked.Select(each => (each.Tenant == _own) == (each.Job == ids[0]) ? each.Job : (Guid?)null),
            found.Select(job => job?.Id)
        );
    }

    [Fact]
    public async Task A_batch_of_several_tenants_is_stored_in_one_statement()
    {
        await api.AddTenantAsync();
        var other = await ScalarAsync<Guid>(api.Db.Source, "SELECT id FROM tenants WHERE id <> @id LIMIT 1", ("id", _own));

        var ids = await SubmitAsync(_own, other, _own, other, other);

        var jobs = api.Get<JobReads>();
        Assert.NotNull(await jobs.FindAsync(_own, ids[0], TestRun.Cancel));
        Assert.NotNull(await jobs.FindAsync(other, ids[1], TestRun.Cancel));
        Assert.Null(await jobs.FindAsync(other, ids[0], TestRun.Cancel));
        Assert.Empty((await api.Get<IJobEventLog>().ReadAsync(other, ids[0], 0, 10, TestRun.Cancel)).Events);
        Assert.Single((await api.Get<IJobEventLog>().ReadAsync(_own, ids[0], 0, 10, TestRun.Cancel)).Events);
    }

    [Theory]
    [InlineData("CREATE TABLE mine (id int)")]
    [InlineData("ALTER TABLE jobs DISABLE ROW LEVEL SECURITY")]
    [InlineData("ALTER TABLE jobs DISABLE TRIGGER ALL")]
    [InlineData("DROP TABLE jobs")]
    [InlineData("TRUNCATE jobs")]
    [InlineData("CREATE POLICY mine ON jobs USING (true)")]
    [InlineData("SELECT * FROM jobs_default")]
    [InlineData("DELETE FROM schema_migrations")]
    [InlineData("DELETE FROM audit_log")]
    [InlineData("UPDATE audit_head SET seq = 0")]
    [InlineData("SELECT anchor_audit()")]
    [InlineData("SELECT add_job_partitions(now() + interval '9 weeks')")]
    [InlineData("SELECT drop_job_partition('w20200101')")]
    [InlineData("SELECT * FROM pg_authid")]
    [InlineData("COPY jobs TO PROGRAM 'cat'")]
    [InlineData("SELECT password FROM users")]
    [InlineData("UPDATE users SET role = 3")]
    [InlineData("SELECT * FROM provider_credentials")]
    [InlineData("SELECT audit_append('00000000-0000-7000-8000-000000000001', 'a', 'b', 'c', 'd', NULL, NULL, NULL, NULL)")]
    [InlineData("CREATE ROLE mine")]
    [InlineData("SET ROLE aibackend_operator")]
    [InlineData("SET ROLE aibackend_worker")]
    [InlineData("SET SESSION AUTHORIZATION postgres")]
    public async Task A_74_whoever_logs_in_as_the_Api_may_write_rows_and_nothing_else(string statement)
    {
        // In production the login is a member of the role and nothing more; here the tests' login could become anybody again.
        var login = $"login_{Guid.CreateVersion7():N}";
        await ScalarAsync<object?>(api.Db.Source, $"CREATE ROLE {login} LOGIN NOINHERIT IN ROLE {Api}");
        await using var source = Open(Api, login: login);
        await using var command = source.CreateCommand(statement);

        var refused = await Assert.ThrowsAsync<PostgresException>(() => command.ExecuteNonQueryAsync(TestRun.Cancel));

        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, refused.SqlState);
    }

    [Theory]
    [InlineData("aibackend_operator", "INSERT INTO audit_log SELECT * FROM audit_log LIMIT 1")]
    [InlineData("aibackend_operator", "UPDATE audit_log SET actor = 'nobody'")]
    [InlineData("aibackend_operator", "DELETE FROM audit_log")]
    [InlineData("aibackend_operator", "TRUNCATE audit_log")]
    [InlineData("aibackend_operator", "UPDATE audit_head SET seq = 0")]
    [InlineData("aibackend_operator", "ALTER TABLE audit_log DISABLE TRIGGER ALL")]
    [InlineData("aibackend_operator", "SET session_replication_role = replica")]
    [InlineData("aibackend_worker", "INSERT INTO audit_log SELECT * FROM audit_log LIMIT 1")]
    [InlineData("aibackend_worker", "UPDATE audit_log SET actor = 'nobody'")]
    [InlineData("aibackend_worker", "DELETE FROM audit_log")]
    [InlineData("aibackend_worker", "TRUNCATE audit_log")]
    [InlineData("aibackend_worker", "UPDATE audit_head SET seq = 0")]
    [InlineData("aibackend_worker", "INSERT INTO audit_anchors VALUES (current_date, 1, '')")]
    [InlineData("aibackend_operator", "SELECT anchor_audit()")]
    [InlineData("aibackend_operator", "DELETE FROM audit_anchors")]
    [InlineData("aibackend_worker", "ALTER TABLE tenants DISABLE TRIGGER ALL")]
    [InlineData("aibackend_worker", "SET session_replication_role = replica")]
    public async Task A_74_D_18_no_program_writes_the_audit_log_but_by_its_functions(string role, string statement)
    {
        var login = $"login_{Guid.CreateVersion7():N}";
        await ScalarAsync<object?>(api.Db.Source, $"CREATE ROLE {login} LOGIN NOINHERIT IN ROLE {role}");
        await using var source = Open(role, login: login);
        await using var command = source.CreateCommand(statement);

        var refused = await Assert.ThrowsAsync<PostgresException>(() => command.ExecuteNonQueryAsync(TestRun.Cancel));

        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, refused.SqlState);
    }

    private NpgsqlDataSource Open(string role, int poolSize = 5, string login = "postgres") =>
        DatabaseRegistration.Open(
            new NpgsqlConnectionStringBuilder(postgres.ConnectionString(api.Db.Name))
            {
                Username = login,
                MaxPoolSize = poolSize,
                Options = $"-c role={role}",
            }.ConnectionString
        );

    /// <summary>At once, so that they share a batch.</summary>
    private async Task<Guid[]> SubmitAsync(params Guid[] tenants)
    {
        var drafts = tenants.Select(tenant => CoreHost.Draft() with { TenantId = tenant }).ToList();
        foreach (var outcome in await Task.WhenAll(drafts.Select(api.Get<JobSubmission>().SubmitAsync)))
        {
            Assert.IsType<SubmitOutcome.Accepted>(outcome);
        }

        return [.. drafts.Select(draft => draft.Id)];
    }

    private static async Task<long> CountAsync(NpgsqlDataSource source, params Guid[] tenants)
    {
        await using var command = source.CreateCommandFor(tenants, Forgetful);
        return (long)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }

    private static async Task<T> ScalarAsync<T>(NpgsqlDataSource source, string sql, params (string Name, object Value)[] parameters)
    {
#pragma warning disable CA2100 // Constants of this class.
        await using var command = source.CreateCommand(sql);
#pragma warning restore CA2100
        foreach (var (name, value) in parameters)
        {
            command.Parameters.AddWithValue(name, value);
        }

        return (T)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }
}
