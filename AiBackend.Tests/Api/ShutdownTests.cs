using System.Net;
using System.Net.Sockets;
using System.Text;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Api;

/// <summary>An Api that is told to stop lets its callers go with a number to go on from, and says that it wants no more.</summary>
public sealed class ShutdownTests(PostgresServer postgres)
{
    [Fact]
    public async Task I_21_open_streams_end_with_a_cursor_submits_are_answered_and_readiness_is_gone_at_once()
    {
        await using var api = new PatientlyStoppedApi(postgres);
        await api.InitializeAsync();
        var job = await api.SubmitAsync();
        using var stream = await api.Http.GetAsync(
            $"/api/v1/jobs/{job.Id}/events",
            HttpCompletionOption.ResponseHeadersRead,
            TestRun.Cancel
        );
        await using var body = await stream.Content.ReadAsStreamAsync(TestRun.Cancel);
        var buffer = new byte[4096];
        var seen = new StringBuilder();
        while (!seen.ToString().Contains("id: 1\n", StringComparison.Ordinal))
        {
            seen.Append(Encoding.UTF8.GetString(buffer.AsSpan(0, await body.ReadAsync(buffer, TestRun.Cancel))));
        }

        // What a signal does first; Kestrel stops a moment later.
        api.Get<IHostApplicationLifetime>().StopApplication();

        using (var ready = await api.Http.GetAsync("/health/ready", TestRun.Cancel))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        }

        // Ended, not cut, perhaps after a heartbeat: the reader knows its last number, and the next server goes on from it.
        seen.Clear();
        while (await body.ReadAsync(buffer, TestRun.Cancel) is > 0 and var read)
        {
            seen.Append(Encoding.UTF8.GetString(buffer.AsSpan(0, read)));
        }

        Assert.DoesNotContain("id:", seen.ToString(), StringComparison.Ordinal);
        var submits = Enumerable.Range(0, 20).Select(_ => api.PostAsync(ApiServer.Chat)).ToList();
        await api.App.StopAsync(TestRun.Cancel);
        var answered = 0;
        foreach (var submit in submits)
        {
            try
            {
                Assert.Equal(HttpStatusCode.Accepted, (await submit).StatusCode);
                answered++;
            }
            catch (Exception refused) when (refused is HttpRequestException or SocketException)
            {
                // Came too late and was not accepted; its caller repeats it elsewhere.
            }
        }

        await using var stored = api.Db.Source.CreateCommand("SELECT count(*) FROM jobs");
        Assert.Equal(answered + 1, (long)(await stored.ExecuteScalarAsync(TestRun.Cancel))!);
    }

    /// <summary>What is under way is cut off by nothing but its end, however busy the machine is.</summary>
    private sealed class PatientlyStoppedApi(PostgresServer postgres) : ApiServer(postgres)
    {
        protected override IEnumerable<(string, string)> Settings => [("shutdownTimeoutSeconds", "60")];
    }
}
