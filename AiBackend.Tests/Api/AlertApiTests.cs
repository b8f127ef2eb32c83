using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.DeadLetters;
using AiBackend.Core.DeadLetters.Alerts;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.DeadLetters;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Api;

/// <summary>Alerts over HTTP.</summary>
public sealed class AlertApiTests(ApiServer api) : IClassFixture<ApiServer>
{
    [Fact]
    public async Task An_alert_is_listed_and_acknowledged_once()
    {
        var dead = await DieAsync("one");

        var alert = (await ListAsync("")).Single(alert => alert.Message.Contains("Failure one.", StringComparison.Ordinal));
        using var first = await api.Http.PostAsync($"/api/v1/alerts/{alert.Id}/acknowledge", null, TestRun.Cancel);
        using var again = await api.Http.PostAsync($"/api/v1/alerts/{alert.Id}/acknowledge", null, TestRun.Cancel);

        var seen = JsonSerializer.Deserialize(await first.Content.ReadAsByteArrayAsync(TestRun.Cancel), WireJson.Default.Alert)!;
        Assert.Equal((alert.Id, "dead_letter_cause", 1L), (seen.Id, seen.Rule, seen.Value));
        Assert.Equal(await (await api.WorkerAsync()).FingerprintAsync(dead), seen.Fingerprint);
        Assert.NotNull(seen.AcknowledgedAt);
        Assert.NotNull(seen.AcknowledgedBy);
        Assert.Equal(await first.Content.ReadAsStringAsync(TestRun.Cancel), await again.Content.ReadAsStringAsync(TestRun.Cancel));
        Assert.Contains(alert.Id, (await ListAsync("?state=all")).Select(listed => listed.Id));
        Assert.DoesNotContain(alert.Id, (await ListAsync("?state=resolved")).Select(listed => listed.Id));
    }

    [Fact]
    public async Task A_2_another_tenants_alert_is_like_none_and_scopes_are_kept()
    {
        await DieAsync("two");
        var alert = (await ListAsync(""))[0];
        var stranger = api.Client(await api.AddTenantAsync());
        var reader = api.Client(await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "operations:read"));
        var jobs = api.Client(await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "jobs:read"));

        using var unknown = await stranger.PostAsync($"/api/v1/alerts/{alert.Id}/acknowledge", null, TestRun.Cancel);
        using var nonsense = await api.Http.PostAsync("/api/v1/alerts/x/acknowledge", null, TestRun.Cancel);
        using var refused = await reader.PostAsync($"/api/v1/alerts/{alert.Id}/acknowledge", null, TestRun.Cancel);
        using var unread = await jobs.GetAsync("/api/v1/alerts", TestRun.Cancel);

        Assert.Equal("""{"data":[]}""", await stranger.GetStringAsync("/api/v1/alerts?state=all", TestRun.Cancel));
        Assert.Equal("/problems/alert-not-found", (await ApiServer.ReadProblemAsync(unknown)).Type);
        Assert.Equal("/problems/alert-not-found", (await ApiServer.ReadProblemAsync(nonsense)).Type);
        Assert.Equal("/problems/missing-scope", (await ApiServer.ReadProblemAsync(refused)).Type);
        Assert.Equal("/problems/missing-scope", (await ApiServer.ReadProblemAsync(unread)).Type);
    }

    [Fact]
    public async Task An_alert_that_concerns_every_tenant_is_seen_by_all_and_acknowledged_by_operators_only()
    {
        await using var insert = api.Db.Source.CreateCommand(
            """
            INSERT INTO alerts (id, tenant_id, rule, cause, value, message)
            VALUES (gen_random_uuid(), $1, 'provider_key_refused', 'p', 1, 'For everyone.') RETURNING id
            """
        );
        insert.Parameters.Add(new() { Value = AiBackend.Core.Alerts.AlertFinding.Everyone });
        var id = (Guid)(await insert.ExecuteScalarAsync(TestRun.Cancel))!;
        var writer = api.Client(await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "operations:read", "jobs:write"));
        var operators = api.Client(await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "operations:write", "jobs:write"));

        Assert.Contains("For everyone.", await writer.GetStringAsync("/api/v1/alerts", TestRun.Cancel), StringComparison.Ordinal);
        using var refused = await writer.PostAsync($"/api/v1/alerts/{id}/acknowledge", null, TestRun.Cancel);
        using var foreign = await api.Client(await api.AddTenantAsync())
            .PostAsync($"/api/v1/alerts/{id}/acknowledge", null, TestRun.Cancel);
        using var taken = await operators.PostAsync($"/api/v1/alerts/{id}/acknowledge", null, TestRun.Cancel);

        // Other tests ask what a tenant without alerts sees.
        await using var delete = api.Db.Source.CreateCommand("DELETE FROM alerts WHERE id = $1");
        delete.Parameters.Add(new() { Value = id });
        await delete.ExecuteNonQueryAsync(TestRun.Cancel);
        Assert.Contains("operations:write", (await ApiServer.ReadProblemAsync(refused)).Detail, StringComparison.Ordinal);
        Assert.Equal((System.Net.HttpStatusCode.NotFound, System.Net.HttpStatusCode.OK), (foreign.StatusCode, taken.StatusCode));
    }

    [Fact]
    public async Task A_bad_state_is_refused_with_the_good_ones()
    {
        using var response = await api.Http.GetAsync("/api/v1/alerts?state=loud", TestRun.Cancel);

        var problem = await ApiServer.ReadProblemAsync(response);
        Assert.Equal("/problems/invalid-value", problem.Type);
        Assert.Contains("\"loud\"; it must be one of active, resolved, all", problem.Detail, StringComparison.Ordinal);
    }

    private async Task<Guid> DieAsync(string word)
    {
        var core = await api.WorkerAsync();
        var dead = await core.DieAsync(Dying.Timeout with { Message = $"Failure {word}." });
        await core.Get<RaiseAlerts>().RunAsync(TestRun.Cancel);
        return dead;
    }

    private async Task<IReadOnlyList<Alert>> ListAsync(string query) =>
        JsonSerializer
            .Deserialize(await api.Http.GetByteArrayAsync($"/api/v1/alerts{query}", TestRun.Cancel), WireJson.Default.AlertList)!
            .Data;
}
