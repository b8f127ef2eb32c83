using System.Net;
using System.Text.Json;
using AiBackend.Core.Jobs;
using AiBackend.Core.Privacy;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using Microsoft.Extensions.Logging.Abstractions;
using static AiBackend.Tests.Tenancy.KeyApiTests;

namespace AiBackend.Tests.Privacy;

/// <summary>What a tenant keeps, takes along, and deletes itself.</summary>
public sealed class TenantDataTests(ApiServer api) : IClassFixture<ApiServer>
{
    [Fact]
    public async Task A_68_a_deleted_job_is_gone_with_all_that_was_known_of_it_and_its_repeat_is_told_so()
    {
        (string, string) key = ("Idempotency-Key", $"gone-{Guid.CreateVersion7():N}");
        const string Body =
            """{"type":"chat","metadata":{"x":"canary-job"},"input":{"messages":[{"role":"user","content":"canary-job asked"}]}}""";
        var job = await api.SubmitAsync(Body, key);
        var early = await SendAsync(api.Http, HttpMethod.Delete, $"/api/v1/jobs/{job.Id}");
        var core = await api.WorkerAsync();
        using var running = await core.ClaimAsync(job.Id);
        running.AppendText("canary-job answered");
        Assert.True(await running.EndAsync(AttemptEnd.Succeeded("canary-job answered")));
        var before = await core.ScalarAsync<int>(CountRows, job.Id);

        var deleted = await SendAsync(api.Http, HttpMethod.Delete, $"/api/v1/jobs/{job.Id}");
        var again = await SendAsync(api.Http, HttpMethod.Delete, $"/api/v1/jobs/{job.Id}");
        using var repeat = await api.PostAsync(Body, key);

        Assert.Equal((HttpStatusCode.Conflict, "job_not_ended"), (early.Status, early.Body.GetProperty("code").GetString()));
        Assert.True(before >= 4, $"{before} rows");
        Assert.Equal((HttpStatusCode.NoContent, HttpStatusCode.NotFound), (deleted.Status, again.Status));
        Assert.Equal(0, await core.ScalarAsync<int>(CountRows, job.Id));
        Assert.Equal(HttpStatusCode.NotFound, repeat.StatusCode);
        Assert.Contains("was deleted", (await ApiServer.ReadProblemAsync(repeat)).Detail, StringComparison.Ordinal);
        Assert.Equal(0, await core.ScalarAsync<int>("SELECT count(*) FROM audit_log a WHERE a::text LIKE '%canary-job%'"));
    }

    [Fact]
    public async Task D_21_a_tenant_keeps_its_jobs_for_as_long_as_it_says_and_never_longer_than_the_installation()
    {
        var core = await api.WorkerAsync();
        const string slug = "keeps-short";
        await SendAsync(api.Http, HttpMethod.Post, "/api/v1/organisations", $$"""{"slug":"{{slug}}"}""");
        var made = await SendAsync(api.Http, HttpMethod.Post, "/api/v1/tenants", $$"""{"slug":"{{slug}}","organisation":"{{slug}}"}""");
        var id = made.Body.GetProperty("id").GetGuid();
        using var tenant = api.Client(await api.AddKeyAsync(id, "tenants:write"));
        var (old, recent, others) = (
            await EndedAsync(core, id, TimeSpan.FromDays(4)),
            await EndedAsync(core, id, TimeSpan.FromDays(2)),
            await EndedAsync(core, ApiKeyStore.DefaultTenant, TimeSpan.FromDays(4))
        );

        var longer = await SendAsync(tenant, HttpMethod.Patch, $"/api/v1/tenants/{slug}", """{"content_days":31}""");
        var set = await SendAsync(tenant, HttpMethod.Patch, $"/api/v1/tenants/{slug}", """{"content_days":3}""");
        var gone = await new ExpireContent(core.Database, NullLogger<ExpireContent>.Instance).RunAsync(TestRun.Cancel);
        var back = await SendAsync(tenant, HttpMethod.Patch, $"/api/v1/tenants/{slug}", """{"content_days":0}""");

        Assert.Equal(HttpStatusCode.BadRequest, longer.Status);
        Assert.Equal(3, set.Body.GetProperty("content_days").GetInt32());
        Assert.Equal(JsonValueKind.Null, back.Body.GetProperty("content_days").ValueKind);
        Assert.Equal(1, gone);
        Assert.Null(await core.Reads.FindAsync(id, old, TestRun.Cancel));
        Assert.NotNull(await core.Reads.FindAsync(id, recent, TestRun.Cancel));
        Assert.NotNull(await core.Reads.FindAsync(ApiKeyStore.DefaultTenant, others, TestRun.Cancel));
        Assert.Equal(
            1,
            await core.ScalarAsync<int>("SELECT count(*) FROM audit_log WHERE tenant_id = @id AND after ->> 'content_days' = '3'", id)
        );
    }

    [Fact]
    public async Task D_21_files_and_batches_are_kept_no_longer_than_the_tenant_says_and_one_bad_tenant_holds_up_no_other()
    {
        var core = await api.WorkerAsync();
        await SendAsync(api.Http, HttpMethod.Post, "/api/v1/organisations", """{"slug":"short"}""");
        var tenants = new List<Guid>();
        foreach (var slug in new[] { "short-bad", "short-good" })
        {
            var made = await SendAsync(api.Http, HttpMethod.Post, "/api/v1/tenants", $$"""{"slug":"{{slug}}","organisation":"short"}""");
            await SendAsync(api.Http, HttpMethod.Patch, $"/api/v1/tenants/{slug}", """{"content_days":3}""");
            tenants.Add(made.Body.GetProperty("id").GetGuid());
        }

        var (bad, good) = (tenants[0], tenants[1]);
        await core.ExecuteAsync(
            $"""
            CREATE FUNCTION refuse_bad() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'bad'; END $$;
            CREATE TRIGGER bad BEFORE DELETE ON batches FOR EACH ROW WHEN (OLD.tenant_id = '{bad}') EXECUTE FUNCTION refuse_bad();
            INSERT INTO files (id, tenant_id, purpose, name, created_at, ready_at, expires_at)
            SELECT gen_random_uuid(), t, 'batch', f.name, now() - f.age, now(), now() + interval '27 days'
              FROM unnest(ARRAY['{bad}', '{good}']::uuid[]) t
             CROSS JOIN (VALUES ('old', interval '4 days'), ('read', interval '4 days'), ('new', interval '2 days')) f (name, age);
            -- Held by another server, so that the one of this test leaves them as they are.
            INSERT INTO batches (id, tenant_id, key_id, endpoint, input_file_id, status, window_ends_at, holder, held_until, ended_at)
            SELECT gen_random_uuid(), f.tenant_id, 'k', '/v1/responses', f.id, 3, now(), gen_random_uuid(), now() + interval '1 hour',
                   CASE f.name WHEN 'old' THEN now() - interval '4 days' WHEN 'new' THEN now() END
              FROM files f WHERE f.tenant_id IN ('{bad}', '{good}')
            """,
            Guid.Empty
        );

        await new ExpireContent(core.Database, NullLogger<ExpireContent>.Instance).RunAsync(TestRun.Cancel);

        const string ExpiredSql =
            "SELECT coalesce(string_agg(name, ' ' ORDER BY name), '') FROM files WHERE tenant_id = @id AND expires_at < now()";
        Assert.Equal("old", await core.ScalarAsync<string>(ExpiredSql, good));
        Assert.Equal(2, await core.ScalarAsync<int>("SELECT count(*) FROM batches WHERE tenant_id = @id", good));
        Assert.Equal(3, await core.ScalarAsync<int>("SELECT count(*) FROM batches WHERE tenant_id = @id", bad));
    }

    [Fact]
    public async Task D_21_a_tenant_takes_along_all_that_is_stored_of_it_and_nothing_of_others_or_that_opens_doors()
    {
        using var tenant = api.Client(await api.AddTenantAsync());
        var core = await api.WorkerAsync();
        var id = await core.ScalarAsync<Guid>("SELECT id FROM tenants ORDER BY created_at DESC, id DESC LIMIT 1");
        var jobs = new List<Guid>();
        for (var i = 0; i < 12; i++)
        {
            jobs.Add(await EndedAsync(core, id, TimeSpan.FromMinutes(i)));
        }

        await EndedAsync(core, ApiKeyStore.DefaultTenant, TimeSpan.Zero);
        await SendAsync(tenant, HttpMethod.Post, "/api/v1/webhooks", """{"url":"https://hooks.example.com/x"}""");
        var secret = await core.ScalarAsync<string>("SELECT encode(hash, 'hex') FROM api_keys WHERE tenant_id = @id", id);
        await core.ExecuteAsync("UPDATE webhook_endpoints SET old_secret = secret WHERE tenant_id = @id", id);
        await core.ExecuteAsync(
            "INSERT INTO provider_calls (job_id, lease_epoch, call, state, tenant_id, provider, model) SELECT gen_random_uuid(), 0, 1, 2, t, 'p', 'embeds' FROM unnest(ARRAY[@id, gen_random_uuid()]) t",
            id
        );

        var text = await tenant.GetStringAsync($"/api/v1/tenants/{id}/export", TestRun.Cancel);

        var lines = text.TrimEnd('\n').Split('\n').Select(line => JsonElement.Parse(line)).ToList();
        var rows = lines
            .Skip(1)
            .SkipLast(1)
            .Select(line => (Table: line.GetProperty("table").GetString()!, Row: line.GetProperty("row")))
            .ToList();
        Assert.Equal((true, (long)rows.Count), (lines[^1].GetProperty("end").GetBoolean(), lines[^1].GetProperty("rows").GetInt64()));
        Assert.Equal(jobs.Order(), rows.Where(row => row.Table == "jobs").Select(row => row.Row.GetProperty("id").GetGuid()).Order());
        Assert.All(rows.Skip(1), row => Assert.Equal(id, row.Row.GetProperty("tenant_id").GetGuid()));
        Assert.Equal(("tenants", id), (rows[0].Table, rows[0].Row.GetProperty("id").GetGuid()));
        Assert.Single(rows, row => row.Table == "provider_calls" && row.Row.GetProperty("model").GetString() == "embeds");
        Assert.Equal(jobs.Count, rows.Count(row => row.Table == "job_outputs" && row.Row.GetProperty("text").GetString() == "Done."));
        Assert.Superset(
            new HashSet<string>([
                "jobs",
                "job_payloads",
                "job_outputs",
                "job_events",
                "job_attempts",
                "api_keys",
                "webhook_endpoints",
                "provider_calls",
                "audit_log",
            ]),
            rows.Select(row => row.Table).ToHashSet()
        );
        Assert.DoesNotContain(secret, text, StringComparison.Ordinal);
        Assert.DoesNotContain("\"secret\"", text, StringComparison.Ordinal);
        Assert.DoesNotContain("\"old_secret\"", text, StringComparison.Ordinal);
        Assert.Equal(
            1,
            await core.ScalarAsync<int>("SELECT count(*) FROM audit_log WHERE tenant_id = @id AND action = 'export_tenant'", id)
        );
    }

    [Fact]
    public async Task A_69_an_operator_takes_a_tenants_data_with_a_reason_only_and_the_tenant_reads_it()
    {
        using var tenant = api.Client(await api.AddTenantAsync());
        using var neighbour = api.Client(await api.AddTenantAsync());
        var session = (await SendAsync(tenant, HttpMethod.Get, "/api/v1/sessions/current")).Body;
        var path = $"/api/v1/tenants/{session.GetProperty("tenant").GetString()}/export";

        var silent = await SendAsync(api.Http, HttpMethod.Get, path);
        using var explained = await api.Http.GetAsync(path + "?reason=Ticket+4711", TestRun.Cancel);
        var foreign = await SendAsync(neighbour, HttpMethod.Get, path);

        Assert.Equal((HttpStatusCode.BadRequest, "reason_needed"), (silent.Status, silent.Body.GetProperty("code").GetString()));
        Assert.Equal(HttpStatusCode.OK, explained.StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, foreign.Status);
        var seen = (await SendAsync(tenant, HttpMethod.Get, "/api/v1/audit?action=export_tenant")).Body.GetProperty("data");
        var entry = Assert.Single(seen.EnumerateArray());
        Assert.Equal("Ticket 4711", entry.GetProperty("after").GetProperty("reason").GetString());
        Assert.Equal(ApiKey.TryParse(api.Key)!.Id, entry.GetProperty("actor").GetString());
    }

    private const string CountRows = """
        SELECT (SELECT count(*) FROM jobs WHERE id = @id) + (SELECT count(*) FROM job_payloads WHERE job_id = @id)
             + (SELECT count(*) FROM job_outputs WHERE job_id = @id) + (SELECT count(*) FROM job_events WHERE job_id = @id)
             + (SELECT count(*) FROM job_attempts WHERE job_id = @id)
        """;

    /// <summary>A job that was submitted and ended so long ago.</summary>
    private static async Task<Guid> EndedAsync(Tests.Jobs.CoreHost core, Guid tenant, TimeSpan ago)
    {
        var draft = Tests.Jobs.CoreHost.Draft() with { TenantId = tenant, Id = new JobIds(new Earlier(ago)).Next() };
        var id = await core.SubmitAsync(draft);
        using var running = await core.ClaimAsync(id);
        Assert.True(await running.EndAsync(AttemptEnd.Succeeded("Done.")));
        await core.ExecuteAsync(
            $"ALTER TABLE jobs DISABLE TRIGGER USER; UPDATE jobs SET finished_at = now() - interval '{ago.TotalSeconds:0} s' WHERE id = '{id}'; ALTER TABLE jobs ENABLE TRIGGER USER",
            Guid.Empty
        );
        return id;
    }

    private sealed class Earlier(TimeSpan by) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => System.GetUtcNow() - by;
    }
}
