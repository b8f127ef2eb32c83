using System.Net;
using System.Text;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Operations;
using AiBackend.Core.Controls;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Api;

/// <summary>Pausing, draining and resuming over HTTP, and what callers see of it.</summary>
public sealed class QueueControlTests(PostgresServer postgres) : IAsyncLifetime
{
    private readonly ApiServer _api = new(postgres);

    public ValueTask InitializeAsync() => _api.InitializeAsync();

    public ValueTask DisposeAsync() => _api.DisposeAsync();

    [Theory]
    [InlineData("queue", "default")]
    [InlineData("tenant", "default")]
    [InlineData("model", "default")]
    [InlineData("provider", "simulator")]
    public async Task What_drains_takes_no_new_job_but_still_knows_those_it_took(string kind, string name)
    {
        var job = await _api.SubmitAsync(ApiServer.Chat, ("Idempotency-Key", "k"));
        var drained = await ActAsync("drain", kind, name, "moving house");
        Assert.Equal((kind, name, "draining", "moving house"), (drained.Kind, drained.Name, drained.Mode, drained.Reason));
        await UntilHeardAsync(1);

        using var refused = await _api.PostAsync(ApiServer.Chat);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        var problem = await ApiServer.ReadProblemAsync(refused);
        Assert.Equal("draining", problem.Code);
        Assert.Contains($"The {kind} \"{name}\" is being drained (moving house)", problem.Detail, StringComparison.Ordinal);
        Assert.NotNull(refused.Headers.RetryAfter?.Delta);
        Assert.Equal(job.Id, (await _api.SubmitAsync(ApiServer.Chat, ("Idempotency-Key", "k"))).Id);

        Assert.Equal("running", (await ActAsync("resume", kind, name)).Mode);
        await UntilHeardAsync(0);
        await _api.SubmitAsync();
    }

    [Fact]
    public async Task What_is_paused_is_accepted_says_why_it_waits_and_is_listed()
    {
        await ActAsync("pause", "queue", "default", "a look");
        await ActAsync("pause", "model", "sim");
        await UntilHeardAsync(2);

        var job = await _api.GetJobAsync((await _api.SubmitAsync()).Id);

        Assert.Equal(("queued", "paused:queue/default"), (job.Status, job.Queue!.WaitingReason));
        var list = (await _api.Http.GetFromJsonAsync("/api/v1/queues", WireJson.Default.QueueList, TestRun.Cancel))!;
        var queue = Assert.Single(list.Data);
        Assert.Equal(("default", "paused", true, 1L), (queue.Name, queue.Mode, queue.Configured, queue.Depth));
        Assert.Equal(["queue/default", "model/sim"], list.Controls.Select(control => $"{control.Kind}/{control.Name}"));
        Assert.NotNull(list.Controls[0].SetBy);
    }

    [Theory]
    [InlineData("""{"kind":"queue","name":"heavy"}""", 404, "There is no queue \"heavy\" here. Known: default.")]
    [InlineData("""{"kind":"model","name":"gpt-none"}""", 404, "There is no model \"gpt-none\" here. Known: default, sim.")]
    [InlineData("""{"kind":"provider","name":"nobody"}""", 404, "There is no provider \"nobody\" here. Known: simulator.")]
    [InlineData("""{"kind":"tenant","name":"nobody"}""", 404, "There is no tenant \"nobody\" here.")]
    [InlineData("""{"kind":"worker","name":"w"}""", 400, "kind is \"worker\"; it must be one of queue, tenant, model, provider.")]
    [InlineData("""{"kind":"queue"}""", 400, "name is missing")]
    [InlineData("""{"kind":"queue","name":"default","until":1}""", 400, "until")]
    public async Task A_name_that_nothing_has_is_refused_with_those_that_are_known(string body, int status, string detail)
    {
        foreach (var act in new[] { "pause", "drain" })
        {
            using var refused = await PostAsync(_api.Http, act, body);

            Assert.Equal(status, (int)refused.StatusCode);
            Assert.Contains(detail, (await ApiServer.ReadProblemAsync(refused)).Detail, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task It_takes_the_scope_of_an_operator_who_may_write()
    {
        const string Body = """{"kind":"queue","name":"default"}""";
        var reader = _api.Client(await _api.AddKeyAsync(ApiKeyStore.DefaultTenant, "operations:read", "jobs:write"));
        var writer = _api.Client(await _api.AddKeyAsync(ApiKeyStore.DefaultTenant, "operations:write"));

        using var refused = await PostAsync(reader, "pause", Body);
        using var done = await PostAsync(writer, "pause", Body);

        Assert.Equal((HttpStatusCode.Forbidden, HttpStatusCode.OK), (refused.StatusCode, done.StatusCode));
    }

    private async Task<ControlInfo> ActAsync(string act, string kind, string name, string? reason = null)
    {
        var body = reason is null
            ? $$"""{"kind":"{{kind}}","name":"{{name}}"}"""
            : $$"""{"kind":"{{kind}}","name":"{{name}}","reason":"{{reason}}"}""";
        using var response = await PostAsync(_api.Http, act, body);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(TestRun.Cancel));
        return (await response.Content.ReadFromJsonAsync(WireJson.Default.ControlInfo, TestRun.Cancel))!;
    }

    private static Task<HttpResponseMessage> PostAsync(HttpClient http, string act, string body) =>
        http.PostAsync($"/api/v1/queues/{act}", new StringContent(body, Encoding.UTF8, "application/json"), TestRun.Cancel);

    private Task UntilHeardAsync(int controls) =>
        Eventually.TrueAsync(async _ => (await _api.Get<ControlReads>().LatestAsync()).Count == controls, "the Api has heard of it");
}
