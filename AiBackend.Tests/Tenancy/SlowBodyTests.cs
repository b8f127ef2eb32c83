using System.Net;
using System.Text;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Tenancy;

/// <summary>A key is looked at when its request begins; its body may take as long as it likes.</summary>
public sealed class SlowBodyTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const string Form =
        "--x\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n"
        + "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\n\r\n{\"custom_id\":\"a\"}\n";

    [Fact]
    public async Task A_8_and_a_78_nothing_is_done_for_a_key_that_ends_while_the_body_is_sent()
    {
        var key = await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "*");
        var job = await api.SubmitAsync(ApiServer.Chat, ("Idempotency-Key", "slow-1"));
        var requests = new List<(string Path, SlowContent Body)>
        {
            ("/api/v1/keys", SlowContent.OfJson("""{"name":"late","scopes":["*"]}""")),
            ("/api/v1/jobs", SlowContent.OfJson(ApiServer.Chat)),
            ($"/api/v1/jobs/{job.Id}/replay", SlowContent.OfJson("{}")),
            ("/api/v1/dead-letters/replay", SlowContent.OfJson("""{"filter":{},"dry_run":true}""")),
            ("/api/v1/queues/pause", SlowContent.OfJson("""{"kind":"queue","name":"default"}""")),
            ("/v1/chat/completions", SlowContent.OfJson("""{"model":"default","messages":[{"role":"user","content":"Hi"}]}""")),
            ("/v1/embeddings", SlowContent.OfJson("""{"model":"default","input":"Hi"}""")),
            ("/v1/batches", SlowContent.OfJson("""{"input_file_id":"file-x","endpoint":"/v1/embeddings","completion_window":"24h"}""")),
            (
                "/v1/files",
                new(
                    Encoding.UTF8.GetBytes(Form + new string('\n', 8192)),
                    Encoding.UTF8.GetBytes("\r\n--x--\r\n"),
                    "multipart/form-data; boundary=x"
                )
            ),
        };
        using var client = SlowContent.Client(api.Address, key);
        // Of the repeat of a request that was accepted, too.
        client.DefaultRequestHeaders.Add("Idempotency-Key", "slow-1");
        var sent = requests.ConvertAll(request => client.PostAsync(request.Path, request.Body, TestRun.Cancel));
        await Task.WhenAll(requests.Select(request => request.Body.IsHeld));

        await RevokeAsync(api, key);
        requests.ForEach(request => request.Body.Release());
        var answers = await Task.WhenAll(sent);

        foreach (var (request, answer) in requests.Zip(answers))
        {
            var text = await answer.Content.ReadAsStringAsync(TestRun.Cancel);
            Assert.True(
                answer.StatusCode is HttpStatusCode.Unauthorized && text.Contains("The key ended", StringComparison.Ordinal),
                $"{request.Path} answered {answer.StatusCode}: {text}"
            );
        }

        Assert.Equal((0, 1, 0, 0), await CountAsync());
    }

    /// <summary>Returns when it counts no more here.</summary>
    internal static async Task RevokeAsync(ApiServer api, string key)
    {
        await using var revoke = api.Db.Source.CreateCommand("UPDATE api_keys SET revoked_at = now() WHERE key_id = $1");
        revoke.Parameters.AddWithValue(ApiKey.TryParse(key)!.Id);
        await revoke.ExecuteNonQueryAsync(TestRun.Cancel);
        using var client = api.Client(key);
        await Eventually.TrueAsync(
            async token =>
            {
                using var answer = await client.GetAsync("/api/v1/sessions/current", token);
                return answer.StatusCode is HttpStatusCode.Unauthorized;
            },
            "the key counts no more",
            TimeSpan.FromSeconds(15)
        );
    }

    private async Task<(long Keys, long Jobs, long Files, long Controls)> CountAsync()
    {
        await using var command = api.Db.Source.CreateCommand(
            """
            SELECT (SELECT count(*) FROM api_keys WHERE name = 'late'), (SELECT count(*) FROM jobs), (SELECT count(*) FROM files),
                   (SELECT count(*) FROM controls)
            """
        );
        await using var row = await command.ExecuteReaderAsync(TestRun.Cancel);
        await row.ReadAsync(TestRun.Cancel);
        return (row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3));
    }
}
