using System.Net;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Api;

/// <summary>What a header said that is no number of an event, told back to who sent it.</summary>
public sealed class QuotedHeaderTests(ApiServer api) : IClassFixture<ApiServer>
{
    [Theory]
    [InlineData("abc", "\"abc\"")]
    [InlineData("-1", "\"-1\"")]
    [InlineData("1.5", "\"1.5\"")]
    [InlineData("1 2", "\"1 2\"")]
    [InlineData("99999999999999999999", "\"99999999999999999999\"")]
    [InlineData("<script>alert(1)</script>", "\"<script>alert(1)</script>\"")]
    [InlineData("1\tor 2", "\"1\uFFFDor 2\"")]
    [InlineData("1\u202Etxt", "\"1\uFFFDtxt\"")]
    [InlineData("1\u200B\u2028\u0085", "\"1\uFFFD\uFFFD\uFFFD\"")]
    [InlineData("١٢", "\"١٢\"")]
    public async Task A_27_a_last_event_id_that_is_none_is_quoted_without_what_could_deceive(string sent, string quoted)
    {
        var (detail, _) = await RefusedAsync(sent);

        Assert.StartsWith($"Last-Event-ID is {quoted}; it must be", detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_27_a_long_last_event_id_is_quoted_in_part()
    {
        var sent = new string('9', 20_000);

        var (detail, raw) = await RefusedAsync(sent);

        Assert.StartsWith($"Last-Event-ID is \"{sent[..80]}…\"; it must be", detail, StringComparison.Ordinal);
        Assert.InRange(raw.Length, 1, 1000);
    }

    [Fact]
    public async Task A_27_two_of_them_are_quoted_as_two()
    {
        var (detail, _) = await RefusedAsync("1", "2");

        Assert.StartsWith("Last-Event-ID is \"1, 2\"; it must be", detail, StringComparison.Ordinal);
    }

    private async Task<(string Detail, string Raw)> RefusedAsync(params string[] values)
    {
        var job = await api.SubmitAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/jobs/{job.Id}/events");
        foreach (var value in values)
        {
            request.Headers.TryAddWithoutValidation("Last-Event-ID", value);
        }

        using var response = await api.Http.SendAsync(request, TestRun.Cancel);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        var problem = await ApiServer.ReadProblemAsync(response);
        Assert.Equal("/problems/bad-after", problem.Type);
        return (problem.Detail!, await response.Content.ReadAsStringAsync(TestRun.Cancel));
    }
}
