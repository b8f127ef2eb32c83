using System.Globalization;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Api;

/// <summary>Lists and their pages.</summary>
public sealed class JobListTests(ApiServer api) : IClassFixture<ApiServer>
{
    [Fact]
    public async Task P_15_a_job_that_was_there_throughout_is_shown_exactly_once_while_others_come_and_go()
    {
        var http = api.Client(await api.AddTenantAsync());
        var throughout = new List<Guid>();
        for (var i = 0; i < 40; i++)
        {
            throughout.Add((await SubmitAsync(http)).Id);
        }

        var doomed = throughout[25];
        throughout.Remove(doomed);
        var shown = new List<Guid>();
        string? cursor = null;
        var pages = 0;
        do
        {
            var page = await ListAsync(http, $"limit=7{(cursor is null ? "" : "&cursor=" + cursor)}");
            shown.AddRange(page.Data.Select(job => job.Id));
            cursor = page.NextCursor;
            await SubmitAsync(http);
            if (++pages == 1)
            {
                await DeleteAsync(doomed);
            }
        } while (cursor is not null);

        Assert.Equal(6, pages);
        // Ids order jobs to the millisecond; within one, their own order counts.
        Assert.Equal(throughout.OrderDescending(), shown);
    }

    [Fact]
    public async Task Pages_end_exactly_where_the_list_ends()
    {
        var http = api.Client(await api.AddTenantAsync());
        for (var i = 0; i < 4; i++)
        {
            await SubmitAsync(http);
        }

        var first = await ListAsync(http, "limit=2");
        var last = await ListAsync(http, $"limit=2&cursor={first.NextCursor}");

        Assert.Equal((2, 2), (first.Data.Count, last.Data.Count));
        Assert.Null(last.NextCursor);
        Assert.Null((await ListAsync(http, "limit=4")).NextCursor);
        Assert.Null((await ListAsync(http, "")).NextCursor);
    }

    [Fact]
    public async Task Every_filter_shows_what_it_names_and_nothing_else()
    {
        var http = api.Client(await api.AddTenantAsync());
        var queued = await SubmitAsync(http, "\"feature\":\"a\"");
        var scheduled = await SubmitAsync(http, "\"feature\":\"b\",\"not_before\":\"" + Time(TimeSpan.FromHours(1)) + "\"");
        var cancelled = await SubmitAsync(http, "\"feature\":\"a\"");
        (await http.PostAsync(cancelled.Links.Cancel, null, TestRun.Cancel)).EnsureSuccessStatusCode().Dispose();

        async Task ShowsAsync(string query, params Guid[] expected) =>
            Assert.Equal(expected, (await ListAsync(http, query)).Data.Select(job => job.Id));

        await ShowsAsync("", cancelled.Id, scheduled.Id, queued.Id);
        await ShowsAsync("status=queued", queued.Id);
        await ShowsAsync("status=queued&status=cancelled", cancelled.Id, queued.Id);
        await ShowsAsync("status=-cancelled", scheduled.Id, queued.Id);
        await ShowsAsync("status=-cancelled&status=-queued", scheduled.Id);
        await ShowsAsync("status=queued&status=-queued");
        await ShowsAsync("feature=a", cancelled.Id, queued.Id);
        await ShowsAsync("feature=a&status=queued", queued.Id);
        await ShowsAsync("feature=' OR 1=1 --");
        await ShowsAsync("type=chat", cancelled.Id, scheduled.Id, queued.Id);
        await ShowsAsync("type=noop");
        await ShowsAsync("created_after=" + Escaped(scheduled.CreatedAt), cancelled.Id, scheduled.Id);
        await ShowsAsync("created_before=" + Escaped(scheduled.CreatedAt), queued.Id);
        await ShowsAsync(
            "created_after=" + Escaped(queued.CreatedAt) + "&created_before=" + Escaped(cancelled.CreatedAt),
            scheduled.Id,
            queued.Id
        );
        await ShowsAsync("created_after=9999-12-31T23:59:59Z");
        await ShowsAsync("created_after=0001-01-01T00:00:00Z&created_before=9999-12-31T23:59:59Z", cancelled.Id, scheduled.Id, queued.Id);
    }

    [Fact]
    public async Task A_list_leaves_the_output_out_and_keeps_the_rest()
    {
        var http = api.Client(await api.AddTenantAsync());
        var job = await SubmitAsync(http, "\"metadata\":{\"a\":\"1\"}");
        var running = await (await api.WorkerAsync()).ClaimAsync(job.Id);
        Assert.True(await running.EndAsync(AttemptEnd.Succeeded("text")));

        var listed = Assert.Single((await ListAsync(http, "")).Data);

        Assert.Equal((JobStatuses.Completed, null, "1"), (listed.Status, listed.Output, listed.Metadata["a"]));
    }

    [Theory]
    [InlineData("limit=0", "invalid-value", "1 to 200")]
    [InlineData("limit=201", "invalid-value", "\"201\"")]
    [InlineData("limit=1e2", "invalid-value", "\"1e2\"")]
    [InlineData("limit=1&limit=2", "invalid-value", "2 times")]
    [InlineData("status=done", "invalid-value", "\"done\"")]
    [InlineData("status=--queued", "invalid-value", "\"--queued\"")]
    [InlineData("status=", "invalid-value", "\"\"")]
    [InlineData("type=telepathy", "unknown-type", "\"telepathy\"")]
    [InlineData("feature=a%00b", "invalid-value", "U+0000")]
    [InlineData("feature=a%01b", "invalid-value", "control characters")]
    [InlineData("created_after=May 5", "invalid-value", "\"May 5\"")]
    [InlineData("created_after=2030-01-31", "invalid-value", "RFC 3339")]
    [InlineData("created_after=yesterday", "invalid-value", "\"yesterday\"")]
    [InlineData("created_before=2030-13-01T00:00:00Z", "invalid-value", "created_before")]
    [InlineData("cursor=", "bad-cursor", "\"\"")]
    [InlineData("cursor=abc", "bad-cursor", "\"abc\"")]
    [InlineData("cursor=%00", "invalid-value", "cursor")]
    [InlineData("cursor=AQAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "bad-cursor", "cursor")]
    public async Task A_bad_value_is_refused_and_named(string query, string slug, string named)
    {
        using var response = await api.Http.GetAsync("/api/v1/jobs?" + query, TestRun.Cancel);

        var problem = await ApiServer.ReadProblemAsync(response);
        Assert.Equal("/problems/" + slug, problem.Type);
        Assert.Contains(named, problem.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_49_a_very_long_filter_is_refused()
    {
        using var response = await api.Http.GetAsync("/api/v1/jobs?feature=" + new string('f', 5_000), TestRun.Cancel);

        Assert.Contains("5000 characters", (await ApiServer.ReadProblemAsync(response)).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cursor_of_other_filters_is_refused_and_another_limit_is_not()
    {
        var http = api.Client(await api.AddTenantAsync());
        await SubmitAsync(http);
        await SubmitAsync(http);
        var cursor = (await ListAsync(http, "limit=1&status=queued")).NextCursor;

        using var other = await http.GetAsync($"/api/v1/jobs?limit=1&status=failed&cursor={cursor}", TestRun.Cancel);

        Assert.Equal("/problems/bad-cursor", (await ApiServer.ReadProblemAsync(other)).Type);
        Assert.Single((await ListAsync(http, $"limit=9&status=queued&cursor={cursor}")).Data);
    }

    private static string Time(TimeSpan fromNow) => (TimeProvider.System.GetUtcNow() + fromNow).ToString("O", CultureInfo.InvariantCulture);

    private static string Escaped(DateTimeOffset moment) => Uri.EscapeDataString(moment.ToString("O", CultureInfo.InvariantCulture));

    private static async Task<JobPage> ListAsync(HttpClient http, string query)
    {
        using var response = await http.GetAsync("/api/v1/jobs?" + query, TestRun.Cancel);
        var body = await response.Content.ReadAsByteArrayAsync(TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, Encoding.UTF8.GetString(body));
        return JsonSerializer.Deserialize(body, WireJson.Default.JobPage)!;
    }

    private static async Task<Job> SubmitAsync(HttpClient http, string? members = null)
    {
        var body = members is null ? ApiServer.Chat : ApiServer.Chat.Insert(1, members + ",");
        using var response = await ApiServer.PostAsync(http, Encoding.UTF8.GetBytes(body));
        Assert.Equal(System.Net.HttpStatusCode.Accepted, response.StatusCode);
        return await ApiServer.ReadJobAsync(response);
    }

    private async Task DeleteAsync(Guid id)
    {
        await using var command = api.Db.Source.CreateCommand("DELETE FROM jobs WHERE id = $1");
        command.Parameters.AddWithValue(id);
        Assert.Equal(1, await command.ExecuteNonQueryAsync(TestRun.Cancel));
    }
}
