using System.Net;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Contracts;
using AiBackend.Core.Jobs;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Contracts;

/// <summary>Contracts at the door.</summary>
public sealed class ContractApiTests(ApiServer api) : IClassFixture<ApiServer>
{
    [Fact]
    public async Task A_jobs_contract_is_pinned_when_the_job_is_accepted()
    {
        var job = await api.SubmitAsync(Job("""{"schema":{"type":"object"},"on_violation":"review"}"""));

        var terms = JobTerms.Read(await ScalarAsync<string>($"SELECT terms FROM job_payloads WHERE job_id = '{job.Id}'"));
        Assert.Equal("review", terms.Contract!.OnViolation);
        // A worker of the version before would pass the contract over.
        Assert.Equal(JobSchema.Terms, await ScalarAsync<short>($"SELECT schema_version FROM job_payloads WHERE job_id = '{job.Id}'"));
    }

    [Fact]
    public async Task A_routes_contract_holds_for_jobs_that_have_none()
    {
        await PutRouteAsync("invoices", "array");

        var plain = await api.SubmitAsync(OfRoute("invoices"));

        var terms = JobTerms.Read(await ScalarAsync<string>($"SELECT terms FROM job_payloads WHERE job_id = '{plain.Id}'"));
        Assert.Equal("array", terms.Contract!.Schema!.Value.GetProperty("type").GetString());
    }

    [Fact]
    public async Task I_3_a_repeat_finds_its_job_whatever_contract_the_route_has_meanwhile()
    {
        await PutRouteAsync("orders", "array");
        var first = await api.SubmitAsync(OfRoute("orders"), ("Idempotency-Key", "route-contract"));
        await PutRouteAsync("orders", "object");

        var again = await api.SubmitAsync(OfRoute("orders"), ("Idempotency-Key", "route-contract"));

        Assert.Equal(first.Id, again.Id);
    }

    [Fact]
    public async Task What_is_retrieved_is_not_shared_and_the_request_says_so()
    {
        using var response = await api.PostAsync(
            ApiServer.Chat.Replace(
                "\"chat\"",
                """
                "chat","cache":"read_write","retrieve":{"collection":"manuals"}
                """,
                StringComparison.Ordinal
            )
        );

        Assert.Contains("retrieve", Assert.Single((await ApiServer.ReadProblemAsync(response)).Errors!["cache"]), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"schema":{"type":"text"}}""", "contract.schema/type", HttpStatusCode.BadRequest)]
    [InlineData("""{"rules":[{"rule":"range","path":"/a"}]}""", "contract.rules[0].min", HttpStatusCode.BadRequest)]
    [InlineData("""{"schema":{},"on_violation":"cry"}""", "contract.on_violation", HttpStatusCode.BadRequest)]
    [InlineData("""{"schema":{"properties":{"base_url":{}}}}""", "contract.schema.properties.base_url", HttpStatusCode.BadRequest)]
    [InlineData("""{"schemata":{}}""", "contract.schemata", HttpStatusCode.BadRequest)]
    [InlineData("""{"rules":[{"rule":"judge","model":"nobody","criteria":"good"}]}""", "nobody", HttpStatusCode.BadRequest)]
    public async Task A_57_a_contract_that_cannot_be_is_refused_by_name_and_nothing_is_stored(
        string contract,
        string named,
        HttpStatusCode status
    )
    {
        var before = await ScalarAsync<long>("SELECT count(*) FROM jobs");

        using var response = await api.PostAsync(Job(contract));

        Assert.Equal(status, response.StatusCode);
        Assert.Contains(named, await response.Content.ReadAsStringAsync(TestRun.Cancel), StringComparison.Ordinal);
        Assert.Equal(before, await ScalarAsync<long>("SELECT count(*) FROM jobs"));
    }

    [Fact]
    public async Task The_same_key_with_another_contract_is_another_request()
    {
        await api.SubmitAsync(Job("""{"schema":{"type":"object"}}"""), ("Idempotency-Key", "contract-1"));

        using var other = await api.PostAsync(Job("""{"schema":{"type":"array"}}"""), ("Idempotency-Key", "contract-1"));

        Assert.Equal(HttpStatusCode.UnprocessableEntity, other.StatusCode);
    }

    [Fact]
    public async Task A_contract_can_be_tried_without_a_job()
    {
        var valid = await TryAsync("""{"contract":{"schema":{"type":"object","required":["a"]}},"text":"Here: {\"a\":1}"}""");
        var wrong = await TryAsync("""{"contract":{"schema":{"type":"object","required":["a"]}},"text":"{}"}""");

        Assert.Equal((Verdicts.Valid, "{\"a\":1}"), (valid.Check.Verdict, valid.Text));
        Assert.Equal((Verdicts.Schema, "/a", null), (wrong.Check.Verdict, Assert.Single(wrong.Check.Violations).Path, wrong.Text));
        using var empty = await api.Http.PostAsync(new Uri("/api/v1/contracts/check", UriKind.Relative), Json("{}"), TestRun.Cancel);
        var problem = await ApiServer.ReadProblemAsync(empty);
        Assert.Equal(["contract", "text"], problem.Errors!.Keys.Order(StringComparer.Ordinal));
    }

    private async Task<ContractCheckResult> TryAsync(string body)
    {
        using var response = await api.Http.PostAsync(new Uri("/api/v1/contracts/check", UriKind.Relative), Json(body), TestRun.Cancel);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        return JsonSerializer.Deserialize(await response.Content.ReadAsStringAsync(TestRun.Cancel), WireJson.Default.ContractCheckResult)!;
    }

    private async Task PutRouteAsync(string route, string type)
    {
        var provider = api.App.Services.GetRequiredService<Core.Providers.ProviderCatalog>().Providers[0].Name;
        using var put = await api.Http.PutAsync(
            new Uri($"/api/v1/routes/{route}", UriKind.Relative),
            Json($$"""{"targets":[{"provider":"{{provider}}","model":"sim"}],"contract":{"schema":{"type":"{{type}}"} } }"""),
            TestRun.Cancel
        );
        Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync(TestRun.Cancel));
    }

    private static string OfRoute(string route) =>
        ApiServer.Chat.Replace("\"chat\"", $"\"chat\",\"model\":\"{route}\"", StringComparison.Ordinal);

    private static string Job(string contract) =>
        ApiServer.Chat.Replace("\"chat\"", "\"chat\",\"contract\":" + contract, StringComparison.Ordinal);

    private static StringContent Json(string body) => new(body, Encoding.UTF8, "application/json");

    private async Task<T> ScalarAsync<T>(string sql)
    {
        await using var command = (await api.WorkerAsync()).Database.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }
}
