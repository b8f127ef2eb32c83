using System.Net;
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

    [Fact]
    public async Task A_68_D_21_a_deleted_tenant_is_gone_from_every_table_and_the_proof_says_so()
    {
        await SendAsync(api.Http, HttpMethod.Post, "/api/v1/organisations", """{"slug":"leavers"}""");
        var (leaving, ended, running) = await MakeAsync("leaving");
        var (staying, _, _) = await MakeAsync("staying");
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
        Assert.Null((await api.Get<AuditLog>().VerifyAsync(TestRun.Cancel)).FirstBad);
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
        var made = await SendAsync(api.Http, HttpMethod.Post, "/api/v1/tenants", $$"""{"slug":"{{slug}}","organisation":"leavers"}""");
        var tenant = made.Body.GetProperty("id").GetGuid();
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

    /// <summary>Two that lead at the same time, and another pair after each step, as if they had died.</summary>
    private async Task RunUntilDoneAsync(Guid tenant)
    {
        var core = await api.WorkerAsync();
        await Eventually.TrueAsync(
            async _ =>
            {
                await Task.WhenAll(
                    Enumerable
                        .Range(0, 2)
                        .Select(_ =>
                            new DeleteTenants(core.Database, core.Get<CancelJob>(), NullLogger<DeleteTenants>.Instance).RunAsync(
                                TestRun.Cancel
                            )
                        )
                );
                return await TextAsync("SELECT (finished_at IS NOT NULL)::text FROM tenant_deletions WHERE tenant_id = @id::uuid", tenant)
                    == "true";
            },
            "the tenant is deleted",
            TimeSpan.FromSeconds(60)
        );
    }

    private async Task<string> TextAsync(string sql, Guid id)
    {
#pragma warning disable CA2100 // Constants of this file.
        await using var command = api.Db.Source.CreateCommand(sql);
#pragma warning restore CA2100
        command.Parameters.AddWithValue("id", id.ToString());
        return (string)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }
}
