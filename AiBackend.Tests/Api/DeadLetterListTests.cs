using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.DeadLetters;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.DeadLetters;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.Api;

/// <summary>Dead letters by cause, and the letters of a cause.</summary>
public sealed class DeadLetterListTests(ApiServer api) : IClassFixture<ApiServer>
{
    [Fact]
    public async Task Letters_of_one_cause_are_one_group_with_count_times_and_a_sample()
    {
        var tenant = await TenantAsync();
        var first = await DieAsync(tenant.Id, "Provider 'a' failed with status 500.");
        var second = await DieAsync(tenant.Id, "Provider 'b' failed with status 503.");
        var other = await DieAsync(tenant.Id, "The provider could not be reached.");

        var page = await GroupsAsync(tenant.Http, "");

        Assert.Equal([1, 2], page.Data.Select(group => group.Count));
        var group = page.Data[1];
        Assert.Equal("Provider <text> failed with status <n>.", group.Message);
        Assert.Equal(("transient", "provider_unavailable"), (group.Class, group.Code));
        Assert.Equal(
            (second, "Provider 'b' failed with status 503.", "default"),
            (group.Sample.JobId, group.Sample.Message, group.Sample.Model)
        );
        Assert.True(group.FirstSeenAt <= group.OldestAt && group.OldestAt < group.LastSeenAt);
        var letters = await LettersAsync(tenant.Http, group.Fingerprint);
        Assert.Equal([second, first], letters.Data.Select(letter => letter.JobId));
        Assert.DoesNotContain(other, letters.Data.Select(letter => letter.JobId));
        Assert.Empty((await LettersAsync(tenant.Http, "0000000000000000")).Data);
    }

    [Theory]
    [InlineData("code=provider_timeout", 1, 1)]
    [InlineData("class=transient", 2, 3)]
    [InlineData("class=unknown", 0, 0)]
    [InlineData("model=sim", 1, 1)]
    [InlineData("since=2999-01-01T00:00:00Z", 0, 0)]
    [InlineData("since=2020-01-01T00:00:00Z&class=transient&code=provider_unavailable", 1, 2)]
    public async Task Filters_narrow_groups_and_what_they_count(string query, int groups, int letters)
    {
        var tenant = await TenantAsync();
        await DieAsync(tenant.Id, "Provider 'a' failed with status 500.");
        await DieAsync(tenant.Id, "Provider 'a' failed with status 500.", model: "sim");
        await DieAsync(tenant.Id, "It took 5 s.", "provider_timeout");

        var page = await GroupsAsync(tenant.Http, query);

        Assert.Equal((groups, letters), (page.Data.Count, page.Data.Sum(group => group.Count)));
    }

    [Fact]
    public async Task P_15_a_group_that_was_there_throughout_is_shown_exactly_once_while_others_come_and_go()
    {
        var tenant = await TenantAsync();
        var words = "abcdefghijklmnopqrst";
        foreach (var word in words)
        {
            await DieAsync(tenant.Id, $"Cause {word}.");
        }

        var shown = new List<string>();
        string? cursor = null;
        do
        {
            var page = await GroupsAsync(tenant.Http, $"limit=3{(cursor is null ? "" : "&cursor=" + cursor)}");
            shown.AddRange(page.Data.Select(group => group.Message));
            cursor = page.NextCursor;
            await DieAsync(tenant.Id, "Cause a.");
            await DieAsync(tenant.Id, $"New cause {(char)('A' + shown.Count)}.");
        } while (cursor is not null);

        Assert.Equal(words.Reverse().Select(word => $"Cause {word}."), shown);
    }

    [Fact]
    public async Task Letters_come_in_pages()
    {
        var tenant = await TenantAsync();
        var dead = new List<Guid>();
        for (var i = 0; i < 5; i++)
        {
            dead.Add(await DieAsync(tenant.Id, "Same."));
        }

        var fingerprint = (await GroupsAsync(tenant.Http, "")).Data.Single().Fingerprint;
        var first = await LettersAsync(tenant.Http, fingerprint, "?limit=3");
        var last = await LettersAsync(tenant.Http, fingerprint, $"?limit=3&cursor={first.NextCursor}");

        Assert.Equal(Enumerable.Reverse(dead), first.Data.Concat(last.Data).Select(letter => letter.JobId));
        Assert.Null(last.NextCursor);
    }

    [Theory]
    [InlineData("limit=0", "invalid-value", "limit is \"0\"")]
    [InlineData("limit=201", "invalid-value", "1 to 200")]
    [InlineData("since=yesterday", "invalid-value", "since is \"yesterday\"")]
    [InlineData("class=", "invalid-value", "class is \"\"")]
    [InlineData("code=a%00b", "invalid-value", "U+0000")]
    [InlineData("model=a&model=b", "invalid-value", "given 2 times")]
    [InlineData("cursor=nonsense", "bad-cursor", "\"nonsense\"")]
    [InlineData("colour=red", "unknown-query-parameter", "class, code, model, since, limit, cursor")]
    public async Task A_bad_query_is_refused_with_value_and_remedy(string query, string problem, string named)
    {
        foreach (var path in new[] { "/api/v1/dead-letters", "/api/v1/dead-letters/0123456789abcdef" })
        {
            using var response = await api.Http.GetAsync($"{path}?{query}", TestRun.Cancel);

            var refusal = await ApiServer.ReadProblemAsync(response);
            Assert.Equal("/problems/" + problem, refusal.Type);
            Assert.Contains(named, refusal.Detail, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_cursor_of_other_filters_is_refused()
    {
        var tenant = await TenantAsync();
        await DieAsync(tenant.Id, "One.");
        await DieAsync(tenant.Id, "Two.");
        var cursor = (await GroupsAsync(tenant.Http, "limit=1")).NextCursor;

        using var response = await tenant.Http.GetAsync($"/api/v1/dead-letters?limit=1&class=transient&cursor={cursor}", TestRun.Cancel);

        Assert.Equal("/problems/bad-cursor", (await ApiServer.ReadProblemAsync(response)).Type);
    }

    [Fact]
    public async Task A_2_nobody_sees_the_letters_of_another_tenant()
    {
        var tenant = await TenantAsync();
        await DieAsync(tenant.Id, "Only mine.");
        var fingerprint = (await GroupsAsync(tenant.Http, "")).Data.Single().Fingerprint;
        using var stranger = api.Client(await api.AddTenantAsync());

        Assert.Empty((await GroupsAsync(stranger, "")).Data);
        Assert.Empty((await LettersAsync(stranger, fingerprint)).Data);
    }

    private async Task<(Guid Id, HttpClient Http)> TenantAsync()
    {
        var key = await api.AddTenantAsync();
        var caller = await api.Get<ApiKeyStore>().FindCallerAsync(key, TestRun.Cancel);
        return (caller!.TenantId, api.Client(key));
    }

    private async Task<Guid> DieAsync(Guid tenantId, string message, string code = "provider_unavailable", string model = "default") =>
        await (await api.WorkerAsync()).DieAsync(
            new(code, "transient", message, true),
            CoreHost.Draft() with
            {
                TenantId = tenantId,
                Model = model,
            }
        );

    private static async Task<DeadLetterGroupPage> GroupsAsync(HttpClient http, string query) =>
        JsonSerializer.Deserialize(
            await http.GetByteArrayAsync($"/api/v1/dead-letters?{query}", TestRun.Cancel),
            WireJson.Default.DeadLetterGroupPage
        )!;

    private static async Task<DeadLetterPage> LettersAsync(HttpClient http, string fingerprint, string query = "") =>
        JsonSerializer.Deserialize(
            await http.GetByteArrayAsync($"/api/v1/dead-letters/{fingerprint}{query}", TestRun.Cancel),
            WireJson.Default.DeadLetterPage
        )!;
}
