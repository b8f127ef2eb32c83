using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.EndToEnd;

/// <summary>Ways on which what is said, and what opens doors, goes through the processes, and every way on which a job can end.</summary>
/// <param name="stack">Whose processes.</param>
/// <param name="said">Stands in prompts, answers and arguments of tools.</param>
/// <param name="secret">Stands in keys, headers and cookies.</param>
internal sealed class CanaryPaths(Stack stack, string said, string secret)
{
    private readonly JobClient _client = new(stack);
    private readonly List<string> _refusals = [];

    /// <summary>What callers were told of what went wrong.</summary>
    public IReadOnlyList<string> Refusals => _refusals;

    public async Task WalkAsync()
    {
        await Task.WhenAll(CallToolAsync(), RunOutOfTimeAsync(), RunOutOfMoneyAsync(), DieAsync(), CancelAsync(), LoseWorkerAsync());
        await SendSecretsAsync();
        await UseCredentialAsync();
        await MeetDefectAsync();
    }

    /// <summary>A tool that cannot be reached, with a header that opens its door, asked with what was said.</summary>
    private async Task CallToolAsync()
    {
        var model = await TeachAsync(
            new
            {
                tools = "first",
                tool_arguments = $$"""{"query":"{{said}}"}""",
                text = $"{said} is the answer",
            }
        );
        await SendAsync(
            HttpMethod.Put,
            "/api/v1/tools/canary",
            $$"""{"kind":"http","effect":"read","url":"https://tools.invalid/","header":{"name":"Authorization","value":"Bearer {{secret}}"},"parameters":{"type":"object"},"timeout_seconds":5}"""
        );
        await EndAsync(await SubmitAsync(model, "", ""","tools":["canary"]"""));
    }

    private async Task RunOutOfTimeAsync()
    {
        var model = await TeachAsync(new { text = said, ttft_ms = 60_000 });
        var deadline = TimeProvider.System.GetUtcNow().AddSeconds(6).ToString("O");

        Assert.Equal(JobStatuses.Failed, (await EndAsync(await SubmitAsync(model, $$""","deadline":"{{deadline}}" """))).Status);
    }

    /// <summary>One job that costs more than it may, and one that waits for a budget.</summary>
    private async Task RunOutOfMoneyAsync()
    {
        var model = await TeachAsync(new { text = said });
        await SendAsync(HttpMethod.Put, $"/api/v1/prices/simulator/{model}", """{"input_per_million":1000,"output_per_million":1000}""");
        await SendAsync(HttpMethod.Post, "/api/v1/budgets", """{"scope":"feature","subject":"poor","window":"day","limit_usd":0.000001}""");

        var dear = await EndAsync(await SubmitAsync(model, ""","max_cost_usd":0.000001"""));
        var waiting = await SubmitAsync(model, ""","feature":"poor" """);
        await Eventually.GetAsync(
            token => _client.GetAsync(waiting, token),
            job => job.Queue?.WaitingReason?.StartsWith("budget:", StringComparison.Ordinal) == true,
            "a job waits for money",
            TimeSpan.FromSeconds(60)
        );
        await _client.CancelAsync(waiting);

        Assert.Equal(JobStatuses.Failed, dear.Status);
        await EndAsync(waiting);
    }

    /// <summary>A provider's error, in words that it was told.</summary>
    private async Task DieAsync()
    {
        var model = await TeachAsync(
            new
            {
                error_rate = 1,
                error_status = 500,
                error_code = said,
            }
        );
        var id = await SubmitAsync(model, ""","max_attempts":1""");

        var error = (await EndAsync(id)).Error!;
        _refusals.Add($"{error}");
        await Eventually.TrueAsync(
            async token =>
                (await stack.Api.GetStringAsync("/api/v1/dead-letters", token)).Contains("fingerprint", StringComparison.Ordinal),
            "there is a dead letter",
            TimeSpan.FromSeconds(60)
        );
    }

    private async Task CancelAsync()
    {
        var id = await SubmitAsync(await TeachAsync(new { text = said, ttft_ms = 60_000 }));
        await Eventually.GetAsync(
            token => _client.GetAsync(id, token),
            job => job.Status == JobStatuses.Processing,
            "it runs",
            TimeSpan.FromSeconds(60)
        );
        await _client.CancelAsync(id);
        await EndAsync(id);
    }

    private async Task LoseWorkerAsync()
    {
        var text = string.Join(' ', Enumerable.Repeat(said, 250));
        var model = await TeachAsync(new { text, interval_ms = 200 });
        var id = await SubmitAsync(model);
        stack.KillWorker(await stack.HolderAsync(model));
        await BehaveAsync(model, new { text, interval_ms = 5 });

        Assert.Equal(JobStatuses.Completed, (await EndAsync(id)).Status);
        Assert.Equal(["lost", "succeeded"], (await _client.TraceAsync(id)).Attempts.Select(attempt => attempt.Outcome));
    }

    /// <summary>Where secrets are sent by mistake.</summary>
    private async Task SendSecretsAsync()
    {
        const string Jobs = "/api/v1/jobs";
        var model = await TeachAsync(new { text = said });
        var job = await SubmitAsync(model);
        await EndAsync(job);
        foreach (
            var (path, name, value, expected) in ((string, string, string, HttpStatusCode)[])
                [
                    (Jobs, "Authorization", $"Bearer aib_live_{secret}", HttpStatusCode.Unauthorized),
                    (Jobs, "Authorization", $"Basic {secret}", HttpStatusCode.Unauthorized),
                    ($"{Jobs}?api_key={secret}&access_token={secret}", "Accept", "application/json", HttpStatusCode.BadRequest),
                    (Jobs, "Cookie", $"session={secret}", HttpStatusCode.OK),
                    (Jobs, "X-Api-Key", secret, HttpStatusCode.OK),
                    (Jobs, "Proxy-Authorization", secret, HttpStatusCode.OK),
                    (Jobs, "Baggage", $"user={secret}", HttpStatusCode.OK),
                    ($"{Jobs}/{job}/events", "Last-Event-ID", secret, HttpStatusCode.BadRequest),
                ]
        )
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path);
            request.Headers.TryAddWithoutValidation(name, value);
            using var response = await (name is "Authorization" ? stack.Anonymous : stack.Api).SendAsync(request, TestRun.Cancel);
            var told = await response.Content.ReadAsStringAsync(TestRun.Cancel);
            Assert.True(response.StatusCode == expected, $"{name} at {path} was answered {response.StatusCode}: {told}");
            // A number that is none is quoted to who sent it, and to nobody else.
            if (!response.IsSuccessStatusCode && name is not "Last-Event-ID")
            {
                _refusals.Add(told);
            }
        }

        await EndAsync(await SubmitAsync(model, idempotencyKey: secret));
    }

    /// <summary>A key that its provider takes, and then refuses.</summary>
    private async Task UseCredentialAsync()
    {
        var model = await TeachAsync(new { text = said });
        await SendAsync(
            HttpMethod.Put,
            "/api/v1/credentials",
            $$"""{"provider":"simulator","model":"{{model}}","value":"sk-{{secret}}"}"""
        );
        await EndAsync(await SubmitAsync(model));
        await BehaveAsync(model, new { error_rate = 1, error_status = 401 });
        var refused = await EndAsync(await SubmitAsync(model));
        _refusals.Add($"{refused.Error}");
        await SendAsync(HttpMethod.Delete, $"/api/v1/credentials?provider=simulator&model={model}", null);
    }

    /// <summary>A statement that fails over what was said, of which Postgres tells no row that its wall keeps.</summary>
    private async Task MeetDefectAsync()
    {
        await using var database = Npgsql.NpgsqlDataSource.Create(stack.Postgres);
        await using (
            var command = database.CreateCommand("ALTER TABLE conversations ADD CONSTRAINT canary CHECK (title IS NULL) NOT VALID")
        )
        {
            await command.ExecuteNonQueryAsync(TestRun.Cancel);
        }

        using var content = new StringContent($$"""{"title":"{{said}}"}""", new MediaTypeHeaderValue("application/json"));
        using var response = await stack.Api.PostAsync("/api/v1/conversations", content, TestRun.Cancel);
        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        _refusals.Add(await response.Content.ReadAsStringAsync(TestRun.Cancel));
    }

    private async Task<Guid> SubmitAsync(string model, string members = "", string input = "", string? idempotencyKey = null)
    {
        var body =
            $$"""{"type":"chat","model":"{{model}}"{{members}},"input":{"messages":[{"role":"user","content":"{{said}}"}]{{input}} } }""";
        return (await SendAsync(HttpMethod.Post, "/api/v1/jobs", body, idempotencyKey)).GetProperty("id").GetGuid();
    }

    private Task<Job> EndAsync(Guid id) => _client.EndAsync(id);

    private async Task<string> TeachAsync(object behaviour)
    {
        var model = $"sim-{Guid.CreateVersion7():N}";
        await BehaveAsync(model, behaviour);
        return model;
    }

    private async Task BehaveAsync(string model, object behaviour)
    {
        using var response = await stack.Simulator.PutAsJsonAsync($"/sim/behaviours/{model}", behaviour, TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(TestRun.Cancel));
    }

    private async Task<JsonElement> SendAsync(HttpMethod method, string path, string? body, string? idempotencyKey = null)
    {
        using var request = new HttpRequestMessage(method, path);
        if (idempotencyKey is not null)
        {
            request.Headers.Add("Idempotency-Key", idempotencyKey);
        }

        request.Content = body is null ? null : new StringContent(body, new MediaTypeHeaderValue("application/json"));
        using var response = await stack.Api.SendAsync(request, TestRun.Cancel);
        var text = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, $"{method} {path}: {text}");
        return text.Length == 0 ? default : JsonElement.Parse(text);
    }
}
