using System.Net;
using System.Text;
using System.Text.Json;
using AiBackend.Core.Jobs;
using AiBackend.Core.Money;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Tenancy;

namespace AiBackend.Tests.Money;

/// <summary>Money of somebody of whom nothing is known yet: there is no row that those who come at once could wait for.</summary>
public sealed class FirstUseTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const int Requests = 64;

    [Theory]
    [InlineData("key")]
    [InlineData("user")]
    public async Task A_45_I_6_of_64_requests_at_the_first_use_ever_of_a_key_and_a_user_a_dollar_admits_exactly_ten(string scope)
    {
        var user = $"first-{scope}";
        var secret = await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "*");
        var key = ApiKey.TryParse(secret)!.Id;
        var subject = scope == "key" ? key : user;
        var (made, budget) = await KeyApiTests.SendAsync(
            api.Http,
            HttpMethod.Post,
            "/api/v1/budgets",
            $$"""{"scope":"{{scope}}","subject":"{{subject}}","window":"day","limit_usd":1}"""
        );
        Assert.Equal(HttpStatusCode.Created, made);
        using var http = api.Client(secret);
        var body = Encoding.UTF8.GetBytes(ApiServer.Chat.Insert(1, $"\"user\":\"{user}\","));
        var core = await api.WorkerAsync();

        var accepted = await Task.WhenAll(Enumerable.Range(0, Requests).Select(_ => ApiServer.PostAsync(http, body)));
        var jobs = new List<ClaimedJob>();
        foreach (var response in accepted)
        {
            jobs.Add((await core.ClaimAsync((await ApiServer.ReadJobAsync(response)).Id)).Job);
            response.Dispose();
        }

        Assert.All(jobs, job => Assert.Equal((key, user), (job.KeyId, job.EndUser)));
        Assert.Equal(0, await CallsAsync("true"));
        // As four workers, each with a connection of its own.
        var ledgers = Enumerable.Range(0, 4).Select(_ => core.NewLedger()).ToList();
        var answers = await Task.WhenAll(
            jobs.Select((job, i) => Task.Run(() => ledgers[i % ledgers.Count].ReserveAsync(job.Call(0.10m), TestRun.Cancel)))
        );

        Assert.Equal(10, answers.Count(answer => answer.State is CallState.Reserved));
        Assert.Equal(54, answers.Count(answer => answer.State is null && answer.BlockedBy == $"budget:{scope}:{subject}:day"));
        Assert.Equal(10, await CallsAsync("state = 0"));
        var now = await api.Http.GetStringAsync($"/api/v1/budgets/{budget.GetProperty("id").GetString()}", TestRun.Cancel);
        Assert.Equal(1m, JsonElement.Parse(now).GetProperty("reserved_usd").GetDecimal());
        foreach (var ledger in ledgers)
        {
            await ledger.DisposeAsync();
        }

        Task<long> CallsAsync(string which) =>
            PlantedTenant.ScalarAsync<long>(
                api,
                $"SELECT count(*) FROM provider_calls WHERE job_id = ANY($1) AND {which}",
                jobs.Select(job => job.Lease.JobId).ToArray()
            );
    }
}
