using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Peers;

namespace AiBackend.Tests.Api;

/// <summary>Clients that nobody here wrote read the same numbered events.</summary>
public sealed class ForeignReaderTests(ApiServer api) : IClassFixture<ApiServer>
{
    [Theory]
    [InlineData("WebSockets")]
    [InlineData("LongPolling")]
    public async Task The_hub_streams_a_job_live_to_its_end_over_every_transport(string transport)
    {
        var job = await api.SubmitAsync();
        using var peer = await WatchHubAsync(api.Key, job.Id.ToString(), "0", transport);
        await Eventually.TrueAsync(() => Events(peer).Count == 1, "the first event arrives", TimeSpan.FromSeconds(30));

        await EndAsync(job.Id, "héllo 🎉");

        await peer.WaitForExitAsync(TestRun.Cancel);
        Assert.EndsWith("END", peer.Output, StringComparison.Ordinal);
        await AssertWholeLogAsync(job.Id, Events(peer));
    }

    [Fact]
    public async Task The_hub_resumes_after_a_number()
    {
        var job = await api.SubmitAsync();
        await EndAsync(job.Id, "text");

        using var peer = await WatchHubAsync(api.Key, job.Id.ToString(), "2", "WebSockets");
        await peer.WaitForExitAsync(TestRun.Cancel);

        Assert.Equal(3, Events(peer)[0].Seq);
        Assert.Equal(JobEventTypes.Final, Events(peer)[^1].Event);
    }

    [Theory]
    [InlineData("2", "bad_after: The event to resume from is 2, but the job's latest is 1.")]
    [InlineData("-1", "bad_after: The event to resume from is -1, but the job's latest is 1.")]
    public async Task The_hub_refuses_a_number_that_the_job_never_had(string after, string error)
    {
        var job = await api.SubmitAsync();

        using var peer = await WatchHubAsync(api.Key, job.Id.ToString(), after, "WebSockets");
        await peer.WaitForExitAsync(TestRun.Cancel);

        Assert.EndsWith(error, peer.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_2_the_hub_knows_no_job_of_another_tenant(bool exists)
    {
        var id = exists ? (await api.SubmitAsync()).Id.ToString() : "nonsense";

        using var peer = await WatchHubAsync(await api.AddTenantAsync(), id, "0", "WebSockets");
        await peer.WaitForExitAsync(TestRun.Cancel);

        Assert.EndsWith($"job_not_found: There is no job \"{id}\".", peer.Output, StringComparison.Ordinal);
        Assert.Empty(Events(peer));
    }

    [Fact]
    public async Task The_hub_lets_nobody_in_without_a_valid_key()
    {
        using var peer = await WatchHubAsync(ApiKey.Create(live: false).Text, "any", "0", "WebSockets");
        await peer.WaitForExitAsync(TestRun.Cancel);

        Assert.StartsWith("REFUSED", peer.Output, StringComparison.Ordinal);
        Assert.Contains("401", peer.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_event_source_reads_to_the_end_and_then_stays_away()
    {
        var job = await api.SubmitAsync();
        using var peer = await NodePeer.StartAsync("watch-events.mjs", "eventsource", api.Address.ToString(), api.Key, job.Id.ToString());
        await Eventually.TrueAsync(() => Events(peer).Count == 1, "the first event arrives", TimeSpan.FromSeconds(30));

        await EndAsync(job.Id, "line one\nline two");

        await peer.WaitForExitAsync(TestRun.Cancel);
        await AssertWholeLogAsync(job.Id, Events(peer));
        // It reconnected once, as told, after 3 s, and got 204.
        Assert.EndsWith("CLOSED 204", peer.Output, StringComparison.Ordinal);
    }

    private Task<ChildProcess> WatchHubAsync(string key, string jobId, string after, string transport) =>
        NodePeer.StartAsync("watch-hub.mjs", "@microsoft/signalr", api.Address.ToString(), key, jobId, after, transport);

    private static List<JobEvent> Events(ChildProcess peer) =>
        [
            .. peer
                .Output.Split('\n')
                .Where(line => line.StartsWith('{'))
                .Select(line => JsonSerializer.Deserialize<JobEvent>(line, WireJson.Default.Options)!),
        ];

    private async Task AssertWholeLogAsync(Guid jobId, List<JobEvent> seen)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/jobs/{jobId}/events");
        request.Headers.Add("Accept", "application/json");
        using var response = await api.Http.SendAsync(request, TestRun.Cancel);
        var log = JsonSerializer
            .Deserialize(await response.Content.ReadAsByteArrayAsync(TestRun.Cancel), WireJson.Default.JobEventPage)!
            .Data;
        Assert.Equal(log.Select(item => (item.Seq, item.Event)), seen.Select(item => (item.Seq, item.Event)));
        Assert.All(log.Zip(seen), pair => Assert.True(JsonElement.DeepEquals(pair.First.Data, pair.Second.Data)));
    }

    private async Task EndAsync(Guid jobId, string text)
    {
        var running = await (await api.WorkerAsync()).ClaimAsync(jobId);
        running.AppendText(text);
        Assert.True(await running.EndAsync(AttemptEnd.Succeeded(text)));
    }
}
