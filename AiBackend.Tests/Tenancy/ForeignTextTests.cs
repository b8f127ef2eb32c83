using System.Net;
using System.Text.RegularExpressions;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Privacy;
using static AiBackend.Tests.Tenancy.KeyApiTests;

namespace AiBackend.Tests.Tenancy;

/// <summary>What one tenant wrote, in every place that a tenant can fill, and everything that another can read, search or count.</summary>
public sealed partial class ForeignTextTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const string Canary = "canary-6b1f";

    /// <summary>What a list of the owner's shows of it: else the same search would find nothing elsewhere.</summary>
    private static readonly string[] OwnersLists =
    [
        "/api/v1/alerts",
        "/api/v1/audit",
        "/api/v1/budgets",
        "/api/v1/conversations",
        "/api/v1/dead-letters",
        "/api/v1/jobs",
        "/api/v1/keys",
        "/api/v1/prompts",
        "/api/v1/reviews",
        "/api/v1/tools",
        "/api/v1/usage?group_by=feature",
        "/api/v1/webhooks",
        "/api/v1/webhooks/inbound",
        "/api/v1/workflows",
        "/v1/batches",
        "/v1/files",
        "/api/v1/files",
        $"/api/v1/knowledge/{PlantedTenant.Name}/documents",
        $"/api/v1/profiles/{PlantedTenant.Name}",
        $"/api/v1/prompts/{PlantedTenant.Name}/versions/1",
        $"/api/v1/tools/{PlantedTenant.Name}",
        $"/api/v1/workflows/{PlantedTenant.Name}",
    ];

    /// <summary>Every address that is read without an id of somebody's, with the name that both tenants would give.</summary>
    private IReadOnlyList<string> Lists =>
        [
            .. api.Calls()
                .Where(call => call.Method == "GET" && !call.Pattern.StartsWith("/health", StringComparison.Ordinal))
                .Select(call =>
                    call.Pattern.Replace("{version}", "1", StringComparison.Ordinal)
                        .Replace("{label}", "production", StringComparison.Ordinal)
                )
                .Select(path => Named().Replace(path, PlantedTenant.Name))
                .Where(path => !path.Contains('{', StringComparison.Ordinal))
                .Distinct()
                .Order(StringComparer.Ordinal),
        ];

    [Fact]
    public async Task A_5_no_list_count_search_or_export_changes_by_what_another_tenant_has()
    {
        var (ownersKey, strangersKey) = (await api.AddTenantAsync(), await api.AddTenantAsync());
        using var stranger = api.Client(strangersKey);
        var export = $"/api/v1/tenants/{await PlantedTenant.IdAsync(api, strangersKey)}/export";
        // The first reading writes that it was done.
        await ReadAsync(stranger, export);
        var before = await ReadAllAsync(stranger);

        var owner = await PlantedTenant.AddAsync(api, ownersKey, Canary);
        await ShowsItselfAsync(api.Client(ownersKey), owner);
        await FillAsync(await PlantedTenant.IdAsync(api, ownersKey), Guid.Parse(owner.Ids["/jobs"]));
        var after = await ReadAllAsync(stranger);

        foreach (var (path, answer) in after)
        {
            Assert.False(answer.Contains("canary", StringComparison.OrdinalIgnoreCase), $"{path} shows it: {answer}");
            Assert.True(before[path] == answer, $"{path} answered {before[path]} before, and {answer} after.");
        }

        Assert.True(after.Values.Count(answer => answer.StartsWith("OK", StringComparison.Ordinal)) > 25);
        Assert.DoesNotContain("canary", await ReadAsync(stranger, export), StringComparison.OrdinalIgnoreCase);
        await FindsNothingAsync(stranger);
    }

    /// <summary>Whoever asks in the very words of another.</summary>
    private static async Task FindsNothingAsync(HttpClient stranger)
    {
        foreach (
            var path in (string[])
                [
                    $"/api/v1/jobs?feature={Canary}",
                    $"/api/v1/usage?feature={Canary}",
                    $"/api/v1/usage?model={Canary}",
                    $"/api/v1/dead-letters?model={Canary}",
                    $"/api/v1/audit?object={Canary}",
                    $"/api/v1/prompts/{PlantedTenant.Name}/diff?from=1&to=1",
                ]
        )
        {
            var answer = await ReadAsync(stranger, path);
            Assert.DoesNotContain(
                $"{Canary}\"",
                answer.Replace($"\"feature\":\"{Canary}\"", "", StringComparison.Ordinal),
                StringComparison.Ordinal
            );
            Assert.Contains(answer.Split(' ')[0], (string[])["OK", "NotFound", "BadRequest"]);
        }

        var found = await SendAsync(
            stranger,
            HttpMethod.Post,
            $"/api/v1/knowledge/{PlantedTenant.Name}/search",
            $$"""{"query":"{{Canary}}"}"""
        );
        Assert.Equal((HttpStatusCode.OK, 0), (found.Status, found.Body.GetProperty("data").GetArrayLength()));
    }

    private static async Task ShowsItselfAsync(HttpClient http, PlantedTenant owner)
    {
        using (http)
        {
            foreach (var path in OwnersLists.Append($"/api/v1/conversations/{owner.Ids["/conversations"]}/messages"))
            {
                Assert.Contains(Canary, await ReadAsync(http, path), StringComparison.Ordinal);
            }

            var found = await SendAsync(
                http,
                HttpMethod.Post,
                $"/api/v1/knowledge/{PlantedTenant.Name}/search",
                $$"""{"query":"{{Canary}}"}"""
            );
            Assert.Equal(1, found.Body.GetProperty("data").GetArrayLength());
        }
    }

    /// <summary>Rows in every table that has rows of tenants, also those that no address fills today.</summary>
    private async Task FillAsync(Guid tenant, Guid job)
    {
        await using var make = api.Db.Source.CreateCommand(FilledTables.Sql);
        await make.ExecuteNonQueryAsync(TestRun.Cancel);
        await PlantedTenant.ScalarAsync<string>(api, "SELECT fill_tenant($1, $2)", tenant, job);
        // Users are their organisation's, and these tenants have the same one.
        await PlantedTenant.ScalarAsync<int>(
            api,
            """
            WITH apart AS (INSERT INTO organisations (id, slug, name) VALUES (gen_random_uuid(), 'apart', 'Apart') RETURNING id)
            UPDATE users SET organisation_id = apart.id FROM apart WHERE email = $1 RETURNING 1
            """,
            $"{tenant}@filled.example"
        );
    }

    private async Task<Dictionary<string, string>> ReadAllAsync(HttpClient http)
    {
        var all = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var path in Lists)
        {
            all[path] = await ReadAsync(http, path);
        }

        return all;
    }

    /// <returns>The status and the body, without what every answer has of its own.</returns>
    private static async Task<string> ReadAsync(HttpClient http, string path)
    {
        using var answer = await http.GetAsync(path, TestRun.Cancel);
        return $"{answer.StatusCode} {OfTheMoment().Replace(await answer.Content.ReadAsStringAsync(TestRun.Cancel), "")}";
    }

    [GeneratedRegex(@"\{(\*\*)?(name|provider|model|collection|user|slug)\}", RegexOptions.None, 1000)]
    private static partial Regex Named();

    /// <summary>Also what is left out when Postgres is slow, and what is written after the answer to a request.</summary>
    [GeneratedRegex(
        "\"trace_id\":\"[0-9a-f]{32}\"|\"(as_of|last_seen_at|last_used_at)\":(null|\"[^\"]*\")|,?\"(state|pace)\":(null|\"[^\"]*\"|\\{[^}]*\\})",
        RegexOptions.None,
        1000
    )]
    private static partial Regex OfTheMoment();
}
