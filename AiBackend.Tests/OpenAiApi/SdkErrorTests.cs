using System.ClientModel;
using System.ClientModel.Primitives;
using System.Net;
using System.Text;
using System.Text.Json;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Peers;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Files;
using OpenAI.Responses;

#pragma warning disable OPENAI001 // The SDK calls its responses and batches experimental.

namespace AiBackend.Tests.OpenAiApi;

/// <summary>Every refusal is an error of the SDK's own kind, with all that it knows: of the npm package, and of OpenAI's own for .NET.</summary>
public sealed class SdkErrorTests(PostgresServer postgres) : IAsyncLifetime
{
    private const string Unknown = "resp_01900000000070008000000000000000";

    // The server says 5 s; both packages by themselves would come back within one.
    private static readonly TimeSpan LeastWait = TimeSpan.FromSeconds(3);

    private readonly ApiServer _api = new(postgres);

    public ValueTask InitializeAsync() => _api.InitializeAsync();

    public ValueTask DisposeAsync() => _api.DisposeAsync();

    [Fact]
    public async Task The_npm_package_throws_its_own_error_for_every_refusal()
    {
        var reader = await _api.AddKeyAsync(ApiKeyStore.DefaultTenant, "jobs:read");

        var refused = await RunAsync("refused", _api.Key, reader);
        await BreakAsync();
        var broken = await RunAsync("broken", _api.Key);

        Assert.Equal(("BadRequestError", 400, "invalid_request_error", "unsupported_parameter", "n"), Of(refused, "badRequest"));
        Assert.Equal(("AuthenticationError", 401, "invalid_request_error", "invalid_api_key", null), Of(refused, "authentication"));
        Assert.Equal(("PermissionDeniedError", 403, "permission_error", "missing_scope", null), Of(refused, "permission"));
        Assert.Equal(("NotFoundError", 404, "invalid_request_error", "job_not_found", "id"), Of(refused, "notFound"));
        Assert.Equal(("NotFoundError", 404, "invalid_request_error", "model_not_found", "model"), Of(refused, "noModel"));
        Assert.Equal(("ConflictError", 409, "invalid_request_error", "file_in_use", null), Of(refused, "conflict"));
        Assert.Equal(
            ("UnprocessableEntityError", 422, "invalid_request_error", "idempotency_key_reused", null),
            Of(refused, "unprocessable")
        );
        Assert.Equal(("InternalServerError", 503, "server_error", "draining", null), Of(broken, "unavailable"));
        Assert.Equal(("InternalServerError", 500, "server_error", "internal_error", null), Of(broken, "defect"));
    }

    [Fact]
    public async Task The_npm_package_comes_back_when_it_is_told_to_and_not_before()
    {
        var seen = await RunAsync("busy", await NarrowKeyAsync());

        Assert.Equal(("RateLimitError", 429, "rate_limit_error", "key_limit_reached", null), Of(seen, "rateLimit"));
        Assert.Equal("5", Text(seen.GetProperty("rateLimit"), "retryAfter"));
        var statuses = seen.GetProperty("statuses").EnumerateArray().Select(status => status.GetInt32()).ToList();
        Assert.Equal((429, 200, "queued"), (statuses[0], statuses[^1], Text(seen, "second")));
        Assert.True(seen.GetProperty("waited").GetDouble() >= LeastWait.TotalMilliseconds, $"It waited {seen.GetProperty("waited")} ms.");
    }

    [Fact]
    public async Task The_SDK_for_NET_throws_its_own_error_for_every_refusal()
    {
        var reader = await _api.AddKeyAsync(ApiKeyStore.DefaultTenant, "jobs:read");
        var client = Client(_api.Key);
        var files = client.GetOpenAIFileClient();
        var line = """{"custom_id":"a","method":"POST","url":"/v1/responses","body":{"model":"default","input":"x"}}""";
        OpenAIFile file = await files.UploadFileAsync(BinaryData.FromString(line), "a.jsonl", FileUploadPurpose.Batch);
        var batch = BinaryContent.Create(
            BinaryData.FromString($$"""{"input_file_id":"{{file.Id}}","endpoint":"/v1/responses","completion_window":"24h"}""")
        );
        await client.GetBatchClient().CreateBatchAsync(batch, waitUntilCompleted: false);
        using var once = await _api.CallAsync(OpenAiClientOf.HelloStream, ("Idempotency-Key", "once"));

        await RefusedAsync(
            (400, "unsupported_parameter", "logprobs"),
            () =>
                client
                    .GetChatClient("default")
                    .CompleteChatAsync([new UserChatMessage("Hi")], new() { IncludeLogProbabilities = true }, TestRun.Cancel)
        );
        await RefusedAsync(
            (401, "invalid_api_key", null),
            () => Client("aib_test_no").GetOpenAIModelClient().GetModelsAsync(TestRun.Cancel)
        );
        await RefusedAsync((403, "missing_scope", null), () => BeginAsync(Client(reader)));
        await RefusedAsync((404, "job_not_found", "id"), () => client.GetResponsesClient().GetResponseAsync(Unknown, TestRun.Cancel));
        await RefusedAsync(
            (404, "model_not_found", "model"),
            () => client.GetChatClient("gpt-none").CompleteChatAsync([new UserChatMessage("Hi")], null, TestRun.Cancel)
        );
        await RefusedAsync((409, "file_in_use", null), () => files.DeleteFileAsync(file.Id, TestRun.Cancel));
        await RefusedAsync(
            (422, "idempotency_key_reused", null),
            () =>
                Client(_api.Key, key: "once")
                    .GetChatClient("default")
                    .CompleteChatAsync([new UserChatMessage("Else.")], null, TestRun.Cancel)
        );
        await BreakAsync();
        await RefusedAsync((503, "draining", null), () => BeginAsync(client));
        await RefusedAsync((500, "internal_error", null), () => files.GetFilesAsync(TestRun.Cancel));
    }

    [Fact]
    public async Task The_SDK_for_NET_comes_back_when_it_is_told_to_and_not_before()
    {
        var key = await NarrowKeyAsync();
        var first = await BeginAsync(Client(key));
        await RefusedAsync((429, "key_limit_reached", null), () => BeginAsync(Client(key)));
        var tries = new Tries(() => Client(key).GetResponsesClient().CancelResponseAsync(first.Id, TestRun.Cancel));

        var second = await BeginAsync(Client(key, retries: 3, tries: tries));

        Assert.Equal(ResponseStatus.Queued, second.Status);
        Assert.Equal((429, 200), (tries.All[0].Status, tries.All[^1].Status));
        Assert.True(tries.All[1].At - tries.All[0].At >= LeastWait, $"It waited {tries.All[1].At - tries.All[0].At}.");
    }

    private static async Task<ResponseResult> BeginAsync(OpenAIClient client) =>
        await client
            .GetResponsesClient()
            .CreateResponseAsync(
                new CreateResponseOptions("default", [ResponseItem.CreateUserMessageItem("Go on.")]) { BackgroundModeEnabled = true },
                TestRun.Cancel
            );

    private static async Task RefusedAsync((int Status, string Code, string? Param) expected, Func<Task> call)
    {
        var failure = await Assert.ThrowsAsync<ClientResultException>(call);

        var response = failure.GetRawResponse()!;
        var error = OpenAiClientOf.ErrorOf(response.Content.ToString());
        Assert.Equal(expected, (failure.Status, Text(error, "code")!, Text(error, "param")));
        Assert.Contains(expected.Code, failure.Message, StringComparison.Ordinal);
        Assert.True(response.Headers.TryGetValue("x-request-id", out var request));
        Assert.StartsWith("req_", request, StringComparison.Ordinal);
        Assert.True(expected.Status is not 429 || response.Headers.TryGetValue("retry-after", out var wait) && wait == "5");
    }

    /// <summary>No new work is taken, and a table is gone that nobody expects to be.</summary>
    private async Task BreakAsync()
    {
        using var drain = await _api.Http.CallAsync(
            "/api/v1/queues/drain",
            Encoding.UTF8.GetBytes("""{"kind":"queue","name":"default","reason":"maintenance"}"""),
            TestRun.Cancel
        );
        drain.EnsureSuccessStatusCode();
        await using (var command = _api.Db.Source.CreateCommand("ALTER TABLE files RENAME TO gone"))
        {
            await command.ExecuteNonQueryAsync(TestRun.Cancel);
        }

        await Eventually.TrueAsync(
            async token =>
            {
                using var asked = await _api.Http.CallAsync(
                    "/v1/responses",
                    Encoding.UTF8.GetBytes("""{"model":"default","input":"x","background":true}"""),
                    token
                );
                return asked.StatusCode == HttpStatusCode.ServiceUnavailable;
            },
            "the server knows that it drains"
        );
    }

    /// <summary>Of its jobs one may wait.</summary>
    private async Task<string> NarrowKeyAsync()
    {
        using var made = await _api.Http.CallAsync(
            "/api/v1/keys",
            Encoding.UTF8.GetBytes("""{"name":"narrow","scopes":["jobs:write","jobs:read"],"limits":{"max_queued":1}}"""),
            TestRun.Cancel
        );
        return Text(await OpenAiClientOf.ReadAsync(made), "value")!;
    }

    private async Task<JsonElement> RunAsync(string scenario, string key, string more = "")
    {
        using var node = await NodePeer.StartAsync(
            "openai-errors.mjs",
            "openai",
            new Uri(_api.Address, "v1").ToString(),
            key,
            scenario,
            "default",
            more
        );
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        patience.CancelAfter(TimeSpan.FromSeconds(90));
        await node.WaitForExitAsync(patience.Token);
        var said = node.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).LastOrDefault() ?? "";
        Assert.True(said.StartsWith('{'), node.Output);
        return JsonElement.Parse(said);
    }

    private static (string?, int, string?, string?, string?) Of(JsonElement seen, string name)
    {
        var failure = seen.GetProperty(name);
        Assert.True(failure.GetProperty("isTyped").GetBoolean(), $"{failure}");
        Assert.StartsWith("req_", Text(failure, "requestId"), StringComparison.Ordinal);
        return (
            Text(failure, "kind"),
            failure.GetProperty("status").GetInt32(),
            Text(failure, "type"),
            Text(failure, "code"),
            Text(failure, "param")
        );
    }

    private static string? Text(JsonElement value, string member) => value.GetProperty(member).GetString();

    private OpenAIClient Client(string apiKey, int retries = 0, string? key = null, PipelinePolicy? tries = null)
    {
        var options = new OpenAIClientOptions { Endpoint = new Uri(_api.Address, "v1"), RetryPolicy = new ClientRetryPolicy(retries) };
        if (key is not null)
        {
            options.AddPolicy(new Header("Idempotency-Key", key), PipelinePosition.PerCall);
        }

        if (tries is not null)
        {
            options.AddPolicy(tries, PipelinePosition.PerTry);
        }

        return new OpenAIClient(new ApiKeyCredential(apiKey), options);
    }

    private sealed class Header(string name, string value) : PipelinePolicy
    {
        public override void Process(PipelineMessage message, IReadOnlyList<PipelinePolicy> pipeline, int currentIndex) =>
            throw new NotSupportedException();

        public override ValueTask ProcessAsync(PipelineMessage message, IReadOnlyList<PipelinePolicy> pipeline, int currentIndex)
        {
            message.Request.Headers.Set(name, value);
            return ProcessNextAsync(message, pipeline, currentIndex);
        }
    }

    /// <summary>Notes when the SDK asked and what it was answered, and makes room after the first.</summary>
    private sealed class Tries(Func<Task> makeRoom) : PipelinePolicy
    {
        private readonly long _began = TimeProvider.System.GetTimestamp();

        public List<(TimeSpan At, int Status)> All { get; } = [];

        public override void Process(PipelineMessage message, IReadOnlyList<PipelinePolicy> pipeline, int currentIndex) =>
            throw new NotSupportedException();

        public override async ValueTask ProcessAsync(PipelineMessage message, IReadOnlyList<PipelinePolicy> pipeline, int currentIndex)
        {
            await ProcessNextAsync(message, pipeline, currentIndex);
            All.Add((TimeProvider.System.GetElapsedTime(_began), message.Response!.Status));
            if (All.Count == 1)
            {
                await makeRoom();
            }
        }
    }
}
