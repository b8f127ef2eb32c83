using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Queue.Outlook;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Api;

/// <summary>What callers are told of their wait: in the answer, when they ask, and in the events.</summary>
public sealed class QueuePlaceTests(ApiServer api) : IClassFixture<ApiServer>
{
    [Fact]
    public async Task Who_waits_is_told_the_place_and_the_time_in_the_202_in_the_job_and_in_its_events()
    {
        await using var publish = api.Db.Source.CreateCommand(
            """
            INSERT INTO line_outlook (at, slots, per_second, waiting) VALUES (now() + interval '1 minute', 2, 0.5, '{1,6,0}')
            ON CONFLICT (only_row) DO UPDATE SET at = excluded.at, slots = excluded.slots, per_second = excluded.per_second, waiting = excluded.waiting
            """
        );
        await publish.ExecuteNonQueryAsync(TestRun.Cancel);

        var job = await Eventually.GetAsync(
            async _ => await api.SubmitAsync(),
            accepted => accepted.Queue?.EtaP90 is not null,
            "what the leader has written down is known here"
        );

        var (p50, p90) = Forecast.Of(7, 0.5);
        Assert.Equal(new QueuePlace(7, Math.Round(p50, 2), Math.Round(p90, 2), "capacity"), job.Queue);
        // By now it is known how many there really are.
        var asked = (await api.GetJobAsync(job.Id)).Queue!;
        Assert.Equal("capacity", asked.WaitingReason);
        Assert.NotNull(asked.Position);
        Assert.InRange(asked.EtaP50!.Value, 0.01, asked.EtaP90!.Value);
        var said = (await PageAsync(job.Id)).Data[0].Data;
        Assert.Equal(
            (7, "capacity", job.Queue!.EtaP50, job.Queue.EtaP90),
            (
                said.GetProperty("position").GetInt32(),
                said.GetProperty("waiting_reason").GetString(),
                said.GetProperty("eta_p50").GetDouble(),
                said.GetProperty("eta_p90").GetDouble()
            )
        );
    }

    private async Task<JobEventPage> PageAsync(Guid jobId)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/jobs/{jobId}/events");
        request.Headers.Accept.ParseAdd("application/json");
        using var response = await api.Http.SendAsync(request, TestRun.Cancel);
        return JsonSerializer.Deserialize(await response.Content.ReadAsStringAsync(TestRun.Cancel), WireJson.Default.JobEventPage)!;
    }
}
