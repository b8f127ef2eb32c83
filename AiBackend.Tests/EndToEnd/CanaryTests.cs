using System.Net.Http.Headers;
using System.Text;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.EndToEnd;

/// <summary>What people wrote, what models answered and what opens doors is in the tables of the jobs and nowhere else.</summary>
[Collection(StackCollection.Name)]
public sealed class CanaryTests(StackFixture fixture)
{
    private readonly Stack _stack = fixture.Stack;
    private readonly JobClient _client = new(fixture.Stack);
    private readonly string _canary = $"canary{Guid.CreateVersion7():N}";

    [Fact]
    public async Task A_65_no_prompt_answer_or_key_is_in_a_log_or_in_Redis_however_a_job_ends()
    {
        var id = await SucceedAsync();
        await FailAsync();
        await CancelAsync();
        await RunOutOfTimeAsync();
        await BeRefusedAsync();
        await DieAsync();
        var webhookSecret = await GiveSecretsAsync();

        // Ids are carried as their bytes.
        var inRedis = Encoding.Latin1.GetString(id.ToByteArray(bigEndian: true));
        var (read, control) = (0, false);
        foreach (var (file, text) in await StateFiles.ReadAsync(_stack.StateDirectory))
        {
            Assert.False(text.Contains(_canary, StringComparison.Ordinal), $"{file} holds what was asked or answered.");
            Assert.False(text.Contains(webhookSecret, StringComparison.Ordinal), $"{file} holds the secret of a webhook.");
            Assert.False(text.Contains(_stack.Key, StringComparison.Ordinal) && file != _stack.KeyFile, $"{file} holds an API key.");
            control |= text.Contains(inRedis, StringComparison.Ordinal);
            read++;
        }

        Assert.True(read > 5, $"{read} files were read.");
        Assert.True(control, "A job's id, which is no secret, is found by the same search.");
    }

    private async Task<Guid> SucceedAsync()
    {
        var id = await _client.SubmitAsync(await TeachAsync(new { text = $"{_canary} is the answer", ttft_ms = 10 }), _canary);

        Assert.Contains(_canary, (await _client.FollowAsync(id)).Text, StringComparison.Ordinal);
        return id;
    }

    private async Task FailAsync()
    {
        var id = await _client.SubmitAsync(await TeachAsync(new { error_rate = 1, error_status = 400 }), _canary);

        Assert.Equal(JobStatuses.Failed, (await _client.EndAsync(id)).Status);
    }

    private async Task CancelAsync()
    {
        var id = await _client.SubmitAsync(await TeachAsync(new { text = _canary, ttft_ms = 60_000 }), _canary);
        await Eventually.GetAsync(
            token => _client.GetAsync(id, token),
            job => job.Status == JobStatuses.Processing,
            "it runs",
            TimeSpan.FromSeconds(30)
        );
        await _client.CancelAsync(id);

        Assert.Equal(JobStatuses.Cancelled, (await _client.EndAsync(id)).Status);
    }

    private async Task RunOutOfTimeAsync()
    {
        var model = await TeachAsync(new { text = _canary, ttft_ms = 60_000 });
        var deadline = TimeProvider.System.GetUtcNow().AddSeconds(6).ToString("O");
        var id = await _client.SubmitAsync(model, _canary, deadline);

        Assert.Equal(JobStatuses.Failed, (await _client.EndAsync(id)).Status);
    }

    /// <summary>A dead letter, which is listed, read and replayed.</summary>
    private async Task DieAsync()
    {
        var model = await TeachAsync(new { error_rate = 1, error_status = 500 });
        using var content = new StringContent(
            $$"""{"type":"chat","model":"{{model}}","max_attempts":1,"input":{"messages":[{"role":"user","content":"{{_canary}}"}] } }""",
            Encoding.UTF8,
            "application/json"
        );
        using var submitted = await _stack.Api.PostAsync("/api/v1/jobs", content, TestRun.Cancel);
        var id = (await submitted.Content.ReadFromJsonAsync<System.Text.Json.JsonElement>(TestRun.Cancel)).GetProperty("id").GetGuid();

        Assert.Equal(JobStatuses.Failed, (await _client.EndAsync(id)).Status);
        await Eventually.TrueAsync(
            async token => (await _stack.Api.PostAsync($"/api/v1/jobs/{id}/replay", null, token)).IsSuccessStatusCode,
            "it is replayed",
            TimeSpan.FromSeconds(30)
        );
    }

    /// <summary>A provider's key, which is taken away again, and a webhook.</summary>
    /// <returns>The webhook's secret.</returns>
    private async Task<string> GiveSecretsAsync()
    {
        using var set = await _stack.Api.PutAsJsonAsync(
            "/api/v1/credentials",
            new
            {
                provider = "simulator",
                model = "other",
                value = $"sk-{_canary}",
            },
            TestRun.Cancel
        );
        Assert.True(set.IsSuccessStatusCode, await set.Content.ReadAsStringAsync(TestRun.Cancel));
        using var unset = await _stack.Api.DeleteAsync("/api/v1/credentials?provider=simulator&model=other", TestRun.Cancel);
        Assert.True(unset.IsSuccessStatusCode, await unset.Content.ReadAsStringAsync(TestRun.Cancel));
        using var made = await _stack.Api.PostAsJsonAsync(
            "/api/v1/webhooks",
            new { url = $"https://hooks.example.com/{_canary}" },
            TestRun.Cancel
        );
        var webhook = await made.Content.ReadFromJsonAsync<System.Text.Json.JsonElement>(TestRun.Cancel);
        Assert.True(made.IsSuccessStatusCode, webhook.ToString());
        using var gone = await _stack.Api.DeleteAsync($"/api/v1/webhooks/{webhook.GetProperty("id").GetString()}", TestRun.Cancel);
        Assert.True(gone.IsSuccessStatusCode);
        return webhook.GetProperty("secret").GetString()!["whsec_".Length..];
    }

    private async Task BeRefusedAsync()
    {
        foreach (
            var body in (string[])[$$"""{"type":"{{_canary}}"}""", $$"""{"{{_canary}}":1,""", $$"""{"type":"chat","input":"{{_canary}}"}"""]
        )
        {
            using var content = new StringContent(body, Encoding.UTF8, "application/json");
            using var refused = await _stack.Api.PostAsync("/api/v1/jobs", content, TestRun.Cancel);
            using var again = new StringContent(body, Encoding.UTF8, "application/json");
            using var refusedToo = await _stack.Api.PostAsync("/v1/chat/completions", again, TestRun.Cancel);
            Assert.False(refused.IsSuccessStatusCode || refusedToo.IsSuccessStatusCode);
        }

        using var misplaced = await _stack.Anonymous.GetAsync($"/api/v1/jobs?key={_stack.Key}&q={_canary}", TestRun.Cancel);
        using var wrong = new HttpRequestMessage(HttpMethod.Get, "/api/v1/jobs");
        wrong.Headers.Authorization = new AuthenticationHeaderValue("Bearer", $"aib_live_{_canary}");
        using var unknown = await _stack.Anonymous.SendAsync(wrong, TestRun.Cancel);
        Assert.Equal(System.Net.HttpStatusCode.Unauthorized, misplaced.StatusCode);
        Assert.Equal(System.Net.HttpStatusCode.Unauthorized, unknown.StatusCode);
    }

    private async Task<string> TeachAsync(object behaviour)
    {
        var model = $"sim-{Guid.CreateVersion7():N}";
        using var response = await _stack.Simulator.PutAsJsonAsync($"/sim/behaviours/{model}", behaviour, TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(TestRun.Cancel));
        return model;
    }
}
