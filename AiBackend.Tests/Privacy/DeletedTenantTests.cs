using System.Net;
using System.Text.Json;
using AiBackend.Core.Audit;
using AiBackend.Core.Jobs;
using AiBackend.Core.Privacy;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using Microsoft.Extensions.Logging.Abstractions;
using static AiBackend.Tests.Tenancy.KeyApiTests;

namespace AiBackend.Tests.Privacy;

/// <summary>What is left of a tenant that was deleted: a proof, and nothing else, whatever tables there are by then.</summary>
public sealed class DeletedTenantTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const string Confirmed = """{"confirm":"leaving","reason":"The contract ended."}""";

    // By the catalogue, and not by what the product thinks its tables are.
    private const string CountSql = """
        SELECT coalesce(string_agg(name || '=' || n, ' ' ORDER BY name), '')
          FROM (SELECT c.relname AS name,
                       (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %I WHERE tenant_id = %L', c.relname, @id), false, true, '')))[1]::text AS n
                  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
                 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
                   AND c.relname NOT IN ('audit_log', 'tenant_deletions')) counts
         WHERE n <> '0'
        """;

    private const string CanarySql = """
        SELECT coalesce(string_agg(name, ' '), '')
          FROM (SELECT c.relname AS name,
                       (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %I x WHERE x::text LIKE %L', c.relname, '%canary-of-' || @id || '%'), false, true, '')))[1]::text AS n
                  FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition) counts
         WHERE n <> '0'
        """;

    // Its name for people is in none of the rows that its deletion leaves.
    private const string NamedSql = """
        SELECT count(*)::text FROM audit_log WHERE tenant_id = @id::uuid AND action = 'delete_tenant' AND (before ? 'name' OR after ? 'name')
        """;

    [Fact]
    public async Task A_68_D_21_a_deleted_tenant_is_gone_from_every_table_and_the_proof_says_so()
    {
        await SendAsync(api.Http, HttpMethod.Post, "/api/v1/organisations", """{"slug":"leavers"}""");
        var (leaving, ended, running) = await MakeAsync("leaving");
        var (staying, _, _) = await MakeAsync("staying");
        await SendAsync(api.Http, HttpMethod.Patch, "/api/v1/tenants/leaving", """{"name":"Somebody's name"}""");
        await FillAsync(leaving, ended);
        await FillAsync(staying, ended);
        var before = await TextAsync(CountSql, staying);
        Assert.Equal(before, await TextAsync(CountSql, leaving));
        Assert.Contains("job_outputs=", before, StringComparison.Ordinal);
        Assert.NotEmpty(await TextAsync(CanarySql, leaving));

        var begun = await SendAsync(api.Http, HttpMethod.Post, "/api/v1/tenants/leaving/deletion", Confirmed);
        var twice = await SendAsync(api.Http, HttpMethod.Post, "/api/v1/tenants/leaving/deletion", Confirmed);
        var shown = await SendAsync(api.Http, HttpMethod.Get, "/api/v1/tenants/leaving");
        await TextAsync(
            "UPDATE tenant_deletions SET requested_at = requested_at - interval '1 minute' WHERE tenant_id = @id::uuid RETURNING slug",
            leaving
        );
        var end = CancelledAsync(running);
        await RunUntilDoneAsync(leaving);
        await end;

        var proof = (await SendAsync(api.Http, HttpMethod.Get, "/api/v1/tenants/leaving/deletion")).Body;
        Assert.Equal((HttpStatusCode.Accepted, "running"), (begun.Status, begun.Body.GetProperty("status").GetString()));
        Assert.Equal((HttpStatusCode.NotFound, HttpStatusCode.NotFound), (twice.Status, shown.Status));
        Assert.Equal("", await TextAsync(CountSql, leaving));
        Assert.Equal("", await TextAsync(CanarySql, leaving));
        Assert.Equal(before, await TextAsync(CountSql, staying));
        Assert.Equal("finished", proof.GetProperty("status").GetString());
        Assert.True(proof.GetProperty("rows").GetProperty("jobs").GetInt64() >= 3, proof.ToString());
        Assert.Equal(
            proof.GetProperty("proof").GetProperty("audit_hash").GetString(),
            await TextAsync("SELECT encode(hash, 'hex') FROM audit_log WHERE tenant_id = @id::uuid AND kind = 'tenant_deletion'", leaving)
        );
        Assert.Equal("0", await TextAsync(NamedSql, leaving));
        Assert.Null((await api.Get<AuditLog>().VerifyAsync(null, TestRun.Cancel)).FirstBad);
    }

    [Fact]
    public async Task A_68_what_comes_after_the_end_is_found_by_a_second_look_which_is_in_the_proof()
    {
        await SendAsync(api.Http, HttpMethod.Post, "/api/v1/organisations", """{"slug":"late"}""");
        var tenant = await AddAsync("late", "late");
        await DeleteAsync("late", tenant);
        var core = await api.WorkerAsync();
        await SubmitAsync(core, tenant);
        await FillAsync(tenant, Guid.CreateVersion7());

        await RoundAsync(core);
        var soon = await ReadAsync("late");
        var left = await TextAsync(CountSql, tenant);
        await TextAsync(
            "UPDATE tenant_deletions SET finished_at = finished_at - interval '2 hours' WHERE tenant_id = @id::uuid RETURNING slug",
            tenant
        );
        await RunUntilAsync(tenant, "second_at");

        var proof = await ReadAsync("late");
        var second = proof.GetProperty("second_look");
        Assert.Equal("finished", soon.GetProperty("status").GetString());
        Assert.False(soon.TryGetProperty("second_look", out var none) && none.ValueKind != JsonValueKind.Null);
        Assert.Contains("job_outputs=", left, StringComparison.Ordinal);
        Assert.Equal("", await TextAsync(CountSql, tenant));
        Assert.Equal(1, second.GetProperty("rows").GetProperty("jobs").GetInt64());
        Assert.Equal(1, second.GetProperty("rows").GetProperty("file_chunks").GetInt64());
        Assert.False(proof.GetProperty("rows").TryGetProperty("file_chunks", out _));
        Assert.Equal(
            second.GetProperty("proof").GetProperty("audit_hash").GetString(),
            await TextAsync("SELECT encode(hash, 'hex') FROM audit_log WHERE tenant_id = @id::uuid AND action = 'look_again'", tenant)
        );
    }

    [Fact]
    public async Task A_68_a_piece_takes_so_many_rows_of_one_table_and_the_sum_of_all_is_the_proof()
    {
        const int Lines = 1_234;
        await SendAsync(api.Http, HttpMethod.Post, "/api/v1/organisations", """{"slug":"many"}""");
        var tenant = await AddAsync("many", "many");
        await TextAsync(
            $"""
            WITH b AS (
                INSERT INTO batches (id, tenant_id, key_id, endpoint, input_file_id, status, window_ends_at, ended_at)
                VALUES (gen_random_uuid(), @id::uuid, 'k', '/v1/responses', gen_random_uuid(), 3, now(), now()) RETURNING id
            ), l AS (
                INSERT INTO batch_lines (batch_id, line, tenant_id, custom_id, start, length, state)
                SELECT b.id, n, @id::uuid, n::text, n, 1, 2 FROM b, generate_series(1, {Lines}) n RETURNING 1
            ) SELECT count(*)::text FROM l
            """,
            tenant
        );
        await BeginAsync("many", tenant);

        var piece = await TextAsync(
            "SELECT delete_tenant_rows(id, 'batch_lines', 500)::text FROM tenant_deletions WHERE tenant_id = @id::uuid",
            tenant
        );
        var parent = await TextAsync(
            "SELECT delete_tenant_rows(id, 'batches', 500)::text FROM tenant_deletions WHERE tenant_id = @id::uuid",
            tenant
        );
        await RunUntilAsync(tenant, "finished_at");

        var rows = (await ReadAsync("many")).GetProperty("rows");
        Assert.Equal(("500", "0"), (piece, parent));
        Assert.Equal((Lines, 1), (rows.GetProperty("batch_lines").GetInt64(), rows.GetProperty("batches").GetInt64()));
    }

    [Fact]
    public async Task A_tenant_whose_rows_cannot_be_deleted_holds_up_no_other()
    {
        await SendAsync(api.Http, HttpMethod.Post, "/api/v1/organisations", """{"slug":"stuck"}""");
        var (stuck, next) = (await AddAsync("stuck", "stuck"), await AddAsync("stuck-next", "stuck"));
        await TextAsync(
            $"""
            CREATE FUNCTION refuse_stuck() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'stuck'; END $$;
            CREATE TRIGGER stuck BEFORE DELETE ON budgets FOR EACH ROW WHEN (OLD.tenant_id = '{stuck}') EXECUTE FUNCTION refuse_stuck();
            INSERT INTO budgets (id, tenant_id, scope, subject, path, period, limit_usd, hard, thresholds, window_at, set_by)
            SELECT gen_random_uuid(), t::uuid, 1, '', 'tenant:' || t || ':x', 2, 1, true, ARRAY[80], now(), 'test'
              FROM unnest(ARRAY['{stuck}', '{next}']) t RETURNING path
            """,
            Guid.Empty
        );
        await BeginAsync("stuck", stuck);

        await DeleteAsync("stuck-next", next);

        Assert.Equal("running", (await ReadAsync("stuck")).GetProperty("status").GetString());
        await TextAsync("DROP TRIGGER stuck ON budgets; SELECT @id", Guid.Empty);
        await RunUntilAsync(stuck, "finished_at");
    }

    [Fact]
    public async Task A_tenant_is_deleted_by_who_signed_in_or_runs_the_installation_and_says_it_twice()
    {
        using var key = api.Client(await api.AddTenantAsync());
        var slug = await TextAsync("SELECT max(slug) FROM tenants WHERE slug LIKE '0%' AND @id <> ''", Guid.Empty);

        var byKey = await SendAsync(key, HttpMethod.Post, $"/api/v1/tenants/{slug}/deletion", $$"""{"confirm":"{{slug}}","reason":"x"}""");
        var unconfirmed = await SendAsync(
            api.Http,
            HttpMethod.Post,
            $"/api/v1/tenants/{slug}/deletion",
            """{"confirm":"x","reason":"x"}"""
        );
        var unexplained = await SendAsync(api.Http, HttpMethod.Post, $"/api/v1/tenants/{slug}/deletion", $$"""{"confirm":"{{slug}}"}""");
        var own = await SendAsync(api.Http, HttpMethod.Post, "/api/v1/tenants/default/deletion", """{"confirm":"default","reason":"x"}""");

        Assert.Equal(HttpStatusCode.Forbidden, byKey.Status);
        Assert.Equal(HttpStatusCode.BadRequest, unconfirmed.Status);
        Assert.Equal(HttpStatusCode.BadRequest, unexplained.Status);
        Assert.Equal(HttpStatusCode.BadRequest, own.Status);
    }

    /// <returns>A tenant with a job that ended, one that runs, and one that waits.</returns>
    private async Task<(Guid Tenant, Guid Ended, RunningJob Running)> MakeAsync(string slug)
    {
        var tenant = await AddAsync(slug, "leavers");
        var core = await api.WorkerAsync();
        var ended = await SubmitAsync(core, tenant);
        using var first = await core.ClaimAsync(ended);
        Assert.True(await first.EndAsync(AttemptEnd.Succeeded($"canary-of-{tenant} answered")));
        await SubmitAsync(core, tenant);
        return (tenant, ended, await core.ClaimAsync(await SubmitAsync(core, tenant)));
    }

    private static Task<Guid> SubmitAsync(CoreHost core, Guid tenant) =>
        core.SubmitAsync(
            CoreHost.Draft(input: $$"""{"messages":[{"role":"user","content":"canary-of-{{tenant}} asked"}]}""") with
            {
                TenantId = tenant,
            }
        );

    /// <summary>A row of the tenant in every table that has such rows, made by the catalogue; triggers are not asked.</summary>
    private async Task FillAsync(Guid tenant, Guid job)
    {
        await using var command = api.Db.Source.CreateCommand(FilledTables.Sql);
        await command.ExecuteNonQueryAsync(TestRun.Cancel);
        Assert.Equal("", await TextAsync($"SELECT fill_tenant(@id::uuid, '{job}')", tenant));
    }

    /// <summary>What a worker does that is told of the cancel.</summary>
    private static async Task CancelledAsync(RunningJob running)
    {
        await Eventually.TrueAsync(async _ => await running.EndAsync(AttemptEnd.Cancelled("")), "it has ended", TimeSpan.FromSeconds(30));
        running.Dispose();
    }

    private Task RunUntilDoneAsync(Guid tenant) => RunUntilAsync(tenant, "finished_at");

    /// <summary>Two that lead at the same time, and another pair after each step, as if they had died.</summary>
    private async Task RunUntilAsync(Guid tenant, string column)
    {
        var core = await api.WorkerAsync();
        await Eventually.TrueAsync(
            async _ =>
            {
                await Task.WhenAll(RoundAsync(core), RoundAsync(core));
                return await TextAsync($"SELECT ({column} IS NOT NULL)::text FROM tenant_deletions WHERE tenant_id = @id::uuid", tenant)
                    == "true";
            },
            "the tenant is deleted",
            TimeSpan.FromSeconds(60)
        );
    }

    private static Task<TimeSpan> RoundAsync(CoreHost core) =>
        new DeleteTenants(core.Database, core.Get<CancelJob>(), NullLogger<DeleteTenants>.Instance).RunAsync(TestRun.Cancel);

    private async Task<Guid> AddAsync(string slug, string organisation)
    {
        var body = $$"""{"slug":"{{slug}}","organisation":"{{organisation}}"}""";
        return (await SendAsync(api.Http, HttpMethod.Post, "/api/v1/tenants", body)).Body.GetProperty("id").GetGuid();
    }

    /// <summary>Has it deleted, long enough ago that the leader begins.</summary>
    private async Task BeginAsync(string slug, Guid tenant)
    {
        var body = $$"""{"confirm":"{{slug}}","reason":"The contract ended."}""";
        Assert.Equal(
            HttpStatusCode.Accepted,
            (await SendAsync(api.Http, HttpMethod.Post, $"/api/v1/tenants/{slug}/deletion", body)).Status
        );
        await TextAsync(
            "UPDATE tenant_deletions SET requested_at = requested_at - interval '1 minute' WHERE tenant_id = @id::uuid RETURNING slug",
            tenant
        );
    }

    private async Task DeleteAsync(string slug, Guid tenant)
    {
        await BeginAsync(slug, tenant);
        await RunUntilAsync(tenant, "finished_at");
    }

    private async Task<JsonElement> ReadAsync(string slug) =>
        (await SendAsync(api.Http, HttpMethod.Get, $"/api/v1/tenants/{slug}/deletion")).Body;

    private async Task<string> TextAsync(string sql, Guid id)
    {
#pragma warning disable CA2100 // Constants of this file.
        await using var command = api.Db.Source.CreateCommand(sql);
#pragma warning restore CA2100
        command.Parameters.AddWithValue("id", id.ToString());
        return (string)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }
}
