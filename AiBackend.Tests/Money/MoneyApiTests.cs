using System.Net;
using System.Text.Json;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.Money;

/// <summary>Budgets, prices and what was spent, over the Api.</summary>
public sealed class MoneyApiTests(ApiServer api) : IClassFixture<ApiServer>
{
    [Fact]
    public async Task A_budget_is_made_read_changed_and_ended()
    {
        var (status, made) = await SendAsync(
            HttpMethod.Post,
            "/api/v1/budgets",
            """{"scope":"feature","subject":"a","window":"day","limit_usd":2.5}"""
        );
        var id = made.GetProperty("id").GetString();

        Assert.Equal(HttpStatusCode.Created, status);
        Assert.Equal(
            (true, 2.5m, 0m, "80,100"),
            (
                made.GetProperty("hard").GetBoolean(),
                made.GetProperty("limit_usd").GetDecimal(),
                made.GetProperty("spent_usd").GetDecimal(),
                string.Join(',', made.GetProperty("thresholds").EnumerateArray())
            )
        );
        Assert.Equal(
            TimeSpan.FromDays(1),
            made.GetProperty("window_ends_at").GetDateTimeOffset() - made.GetProperty("window_started_at").GetDateTimeOffset()
        );
        var again = await SendAsync(
            HttpMethod.Post,
            "/api/v1/budgets",
            """{"scope":"feature","subject":"a","window":"day","limit_usd":1}"""
        );
        Assert.Equal((HttpStatusCode.Conflict, "budget_exists"), (again.Status, again.Body.GetProperty("code").GetString()));
        var changed = await SendAsync(HttpMethod.Put, $"/api/v1/budgets/{id}", """{"limit_usd":7,"hard":false,"thresholds":[50]}""");
        Assert.Equal(
            (HttpStatusCode.OK, 7m, false),
            (changed.Status, changed.Body.GetProperty("limit_usd").GetDecimal(), changed.Body.GetProperty("hard").GetBoolean())
        );
        Assert.Equal(7m, (await SendAsync(HttpMethod.Get, $"/api/v1/budgets/{id}")).Body.GetProperty("limit_usd").GetDecimal());
        Assert.Equal(HttpStatusCode.NoContent, (await SendAsync(HttpMethod.Delete, $"/api/v1/budgets/{id}")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(HttpMethod.Delete, $"/api/v1/budgets/{id}")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(HttpMethod.Get, "/api/v1/budgets/no-id")).Status);
    }

    [Theory]
    [InlineData("{}", "scope is missing")]
    [InlineData("""{"scope":"team","window":"day","limit_usd":1}""", "scope is \"team\"")]
    [InlineData("""{"scope":"key","window":"day","limit_usd":1}""", "subject is missing")]
    [InlineData("""{"scope":"global","subject":"x","window":"day","limit_usd":1}""", "subject is only for")]
    [InlineData("""{"scope":"tenant","window":"week","limit_usd":1}""", "window is \"week\"")]
    [InlineData("""{"scope":"tenant","window":"day"}""", "limit_usd is missing")]
    [InlineData("""{"scope":"tenant","window":"day","limit_usd":-1}""", "limit_usd is -1")]
    [InlineData("""{"scope":"tenant","window":"day","limit_usd":0.0000000001}""", "at most 9 decimals")]
    [InlineData("""{"scope":"tenant","window":"day","limit_usd":1,"thresholds":[0]}""", "thresholds must be")]
    [InlineData("""{"scope":"tenant","window":"day","limit_usd":1,"spent_usd":0}""", "spent_usd")]
    public async Task A_budget_that_cannot_be_is_refused_with_the_remedy(string body, string detail)
    {
        var (status, problem) = await SendAsync(HttpMethod.Post, "/api/v1/budgets", body);

        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains(detail, problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_tenant_sees_its_own_budgets_only_and_a_reader_changes_none()
    {
        var made = (await SendAsync(HttpMethod.Post, "/api/v1/budgets", """{"scope":"tenant","window":"hour","limit_usd":1}""")).Body;
        var id = made.GetProperty("id").GetString();
        using var stranger = api.Client(await api.AddTenantAsync());
        using var reader = api.Client(await api.AddKeyAsync(Core.Tenancy.ApiKeyStore.DefaultTenant, "operations:read"));

        Assert.DoesNotContain(id!, await stranger.GetStringAsync("/api/v1/budgets", TestRun.Cancel), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NotFound, (await stranger.DeleteAsync($"/api/v1/budgets/{id}", TestRun.Cancel)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await reader.GetAsync($"/api/v1/budgets/{id}", TestRun.Cancel)).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await reader.DeleteAsync($"/api/v1/budgets/{id}", TestRun.Cancel)).StatusCode);
    }

    [Fact]
    public async Task An_operator_sets_a_budget_for_another_tenant_whose_calls_it_then_holds()
    {
        var (tenantId, name) = (Guid.CreateVersion7(), "acme-" + Guid.CreateVersion7().ToString("N"));
        await using var add = api.Db.Source.CreateCommand("INSERT INTO tenants (id, slug) VALUES ($1, $2)");
        add.Parameters.Add(new() { Value = tenantId });
        add.Parameters.Add(new() { Value = name });
        await add.ExecuteNonQueryAsync(TestRun.Cancel);
        using var acme = api.Client(await api.AddKeyAsync(tenantId, "operations:read"));

        var (status, made) = await SendAsync(
            HttpMethod.Post,
            $"/api/v1/budgets?tenant={name}",
            """{"scope":"tenant","window":"total","limit_usd":0.5}"""
        );
        var path = $"/api/v1/budgets/{made.GetProperty("id").GetString()}";

        Assert.Equal((HttpStatusCode.Created, name), (status, made.GetProperty("tenant").GetString()));
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(HttpMethod.Get, path)).Status);
        Assert.Equal(HttpStatusCode.OK, (await acme.GetAsync(path, TestRun.Cancel)).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await acme.GetAsync("/api/v1/usage?tenant=*", TestRun.Cancel)).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await acme.GetAsync("/api/v1/budgets?tenant=default", TestRun.Cancel)).StatusCode);
        var core = await api.WorkerAsync();
        await using var ledger = core.NewLedger();
        var spender = await core.SpenderAsync(CoreHost.Draft() with { TenantId = tenantId, KeyId = "k-acme" });
        Assert.NotNull((await ledger.ReserveAsync(spender.Call(0.4m), TestRun.Cancel)).State);
        ledger.Settle(spender.Call(0.4m).Used(0.4m));
        Assert.Null((await ledger.ReserveAsync(spender.Call(0.2m, call: 1), TestRun.Cancel)).State);
        Assert.Equal(
            2m,
            (await SendAsync(HttpMethod.Put, path + "?tenant=*", """{"limit_usd":2}""")).Body.GetProperty("limit_usd").GetDecimal()
        );
        await Eventually.TrueAsync(
            async _ =>
                (await SendAsync(HttpMethod.Get, "/api/v1/usage?tenant=*&group_by=tenant"))
                    .Body.GetProperty("data")
                    .EnumerateArray()
                    .Any(row => row.GetProperty("tenant").GetString() == name && row.GetProperty("cost_usd").GetDecimal() == 0.4m),
            "what the tenant spent is told apart"
        );
        Assert.Equal(["0.4"], await CostsAsync($"tenant={name}"));
        Assert.Empty(await CostsAsync("key=k-acme"));
        Assert.Equal(HttpStatusCode.NoContent, (await SendAsync(HttpMethod.Delete, $"{path}?tenant={name}")).Status);
        foreach (var bad in (string[])["tenant=nobody", "tenant=*"])
        {
            var refused = await SendAsync(
                HttpMethod.Post,
                $"/api/v1/budgets?{bad}",
                """{"scope":"tenant","window":"hour","limit_usd":1}"""
            );
            Assert.Equal("invalid_value", refused.Body.GetProperty("code").GetString());
        }
    }

    [Fact]
    public async Task The_trace_of_a_job_and_the_statistics_tell_what_was_set_aside_and_what_it_cost()
    {
        var core = await api.WorkerAsync();
        await using var ledger = core.NewLedger();
        var job = await core.SpenderAsync(CoreHost.Draft() with { Feature = "traced" });
        Assert.NotNull((await ledger.ReserveAsync(job.Call(0.02m), TestRun.Cancel)).State);
        ledger.Settle(job.Call(0.02m).Used(0.01m));
        Assert.NotNull((await ledger.ReserveAsync(job.Call(0.05m, call: 1), TestRun.Cancel)).State);

        var entries = await Eventually.GetAsync(
            async _ =>
                (await SendAsync(HttpMethod.Get, $"/api/v1/jobs/{job.Lease.JobId}/trace"))
                    .Body.GetProperty("ledger")
                    .EnumerateArray()
                    .ToList(),
            entries => entries[0].GetProperty("state").GetString() == "settled",
            "the first call is settled"
        );

        Assert.Equal([$"{job.Lease.JobId}-1-0", $"{job.Lease.JobId}-1-1"], entries.Select(entry => entry.GetProperty("call").GetString()));
        Assert.Equal(
            (1, 0.02m, 0.01m, 10_000L),
            (
                entries[0].GetProperty("price_version").GetInt32(),
                entries[0].GetProperty("reserved_usd").GetDecimal(),
                entries[0].GetProperty("cost_usd").GetDecimal(),
                entries[0].GetProperty("output_tokens").GetInt64()
            )
        );
        Assert.Contains(entries[1].GetProperty("state").GetString(), (string[])["reserved", "sent"]);
        Assert.Equal(JsonValueKind.Null, entries[1].GetProperty("cost_usd").ValueKind);
        var spending = (await SendAsync(HttpMethod.Get, "/api/v1/stats")).Body.GetProperty("spending");
        Assert.True(spending.GetProperty("today_usd").GetDecimal() >= 0.01m, spending.ToString());
        Assert.True(spending.GetProperty("reserved_usd").GetDecimal() >= 0.05m, spending.ToString());
        // Other tests here leave budgets behind, which this must not use up.
        ledger.Settle(job.Call(0.05m, call: 1).Used(0m));
        using var stranger = api.Client(await api.AddTenantAsync());
        Assert.Equal(
            HttpStatusCode.NotFound,
            (await stranger.GetAsync($"/api/v1/jobs/{job.Lease.JobId}/trace", TestRun.Cancel)).StatusCode
        );
    }

    [Fact]
    public async Task A_price_is_added_to_and_its_versions_are_read()
    {
        const string Path = "/api/v1/prices/p1/org/some-model";
        var first = await SendAsync(
            HttpMethod.Put,
            Path,
            """{"input_per_million":3,"output_per_million":15,"cached_input_per_million":0.3}"""
        );
        await SendAsync(HttpMethod.Put, Path, """{"input_per_million":2,"output_per_million":10,"valid_from":"2999-01-01T00:00:00Z"}""");

        Assert.Equal(HttpStatusCode.Created, first.Status);
        Assert.Equal(15m, first.Body.GetProperty("reasoning_per_million").GetDecimal());
        var versions = (await SendAsync(HttpMethod.Get, Path)).Body.GetProperty("data").EnumerateArray().ToList();
        Assert.Equal([1, 2], versions.Select(version => version.GetProperty("version").GetInt32()));
        Assert.Equal([3m, 2m], versions.Select(version => version.GetProperty("input_per_million").GetDecimal()));
        var past = await SendAsync(
            HttpMethod.Put,
            Path,
            """{"input_per_million":2,"output_per_million":10,"valid_from":"2001-01-01T00:00:00Z"}"""
        );
        Assert.Contains("has passed", past.Body.GetProperty("detail").GetString(), StringComparison.Ordinal);
        var none = await SendAsync(HttpMethod.Put, Path, """{"input_per_million":2}""");
        Assert.Contains("output_per_million is missing", none.Body.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Usage_is_told_by_any_group_and_its_parts_are_the_whole()
    {
        var core = await api.WorkerAsync();
        await using var ledger = core.NewLedger();
        foreach (var (feature, user, usd) in ((string, string, decimal)[])[("x", "u1", 0.10m), ("x", "u2", 0.20m), ("y", "u1", 0.40m)])
        {
            var job = await core.SpenderAsync(CoreHost.Draft() with { Feature = feature, EndUser = user, KeyId = "k-usage" });
            // No more than this: other tests here leave budgets behind.
            await ledger.ReserveAsync(job.Call(usd), TestRun.Cancel);
            ledger.Settle(job.Call(usd).Used(usd));
        }

        await Eventually.TrueAsync(
            async _ => await core.ScalarAsync<int>("SELECT coalesce(sum(calls), 0) FROM usage_days WHERE key_id = 'k-usage'") == 3,
            "all is counted"
        );

        Assert.Equal(["0.4", "0.3"], await CostsAsync("group_by=feature&key=k-usage"));
        Assert.Equal(["0.5", "0.2"], await CostsAsync("group_by=user&key=k-usage"));
        Assert.Equal(["0.2", "0.1"], await CostsAsync("group_by=user,feature,day&key=k-usage&feature=x"));
        Assert.Equal(["0.7"], await CostsAsync("key=k-usage"));
        Assert.Empty(await CostsAsync("key=k-usage&to=2020-01-31"));
        foreach (
            var bad in (string[])["group_by=colour", "from=yesterday", "from=2020-02-02&to=2020-02-01", "key=a&key=b", "tenant=x", "team=x"]
        )
        {
            Assert.Equal(HttpStatusCode.BadRequest, (await SendAsync(HttpMethod.Get, $"/api/v1/usage?{bad}")).Status);
        }
    }

    [Fact]
    public async Task A_maximum_cost_is_kept_with_the_job_and_one_that_cannot_be_is_refused()
    {
        var job = await api.SubmitAsync("""{"type":"chat","max_cost_usd":0.05,"input":{"messages":[{"role":"user","content":"Hello"}]}}""");

        Assert.Equal(0.05m, (await (await api.WorkerAsync()).ClaimAsync(job.Id)).Job.MaxCostUsd);
        var refused = await SendAsync(
            HttpMethod.Post,
            "/api/v1/jobs",
            """{"type":"chat","max_cost_usd":0,"input":{"messages":[{"role":"user","content":"Hello"}]}}"""
        );
        Assert.Contains("max_cost_usd is 0", refused.Body.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    private async Task<IReadOnlyList<string>> CostsAsync(string query)
    {
        var (_, report) = await SendAsync(HttpMethod.Get, $"/api/v1/usage?{query}");
        return
        [
            .. report
                .GetProperty("data")
                .EnumerateArray()
                .Select(row =>
                    (row.GetProperty("cost_usd").GetDecimal() / 1.0000000000m).ToString(
                        "0.##",
                        System.Globalization.CultureInfo.InvariantCulture
                    )
                ),
        ];
    }

    private async Task<(HttpStatusCode Status, JsonElement Body)> SendAsync(HttpMethod method, string path, string? body = null)
    {
        using var request = new HttpRequestMessage(method, path);
        request.Content = body is null ? null : new StringContent(body, System.Text.Encoding.UTF8, "application/json");
        using var response = await api.Http.SendAsync(request, TestRun.Cancel);
        return (
            response.StatusCode,
            response.Content.Headers.ContentLength == 0 || response.StatusCode == HttpStatusCode.NoContent
                ? default
                : await response.Content.ReadFromJsonAsync<JsonElement>(TestRun.Cancel)
        );
    }
}
