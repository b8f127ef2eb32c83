using System.ClientModel;
using System.ClientModel.Primitives;
using System.Text;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Embeddings;
using OpenAI.Files;

namespace AiBackend.Tests.OpenAiApi;

/// <summary>OpenAI's own .NET SDK against the whole running stack.</summary>
[Collection(StackCollection.Name)]
public sealed class DotNetSdkTests(StackFixture fixture)
{
    private readonly Stack _stack = fixture.Stack;
    private readonly JobClient _client = new(fixture.Stack);

    [Fact]
    public async Task It_lists_models_chats_and_streams()
    {
        var model = await _client.TeachWordsAsync(20, 1);
        var chat = Client().GetChatClient(model);

        var models = await Client().GetOpenAIModelClient().GetModelsAsync(TestRun.Cancel);
        ChatCompletion whole = await chat.CompleteChatAsync(
            [new SystemChatMessage("Be brief."), new UserChatMessage("Go on.")],
            new ChatCompletionOptions { MaxOutputTokenCount = 100, Temperature = 0.5f },
            TestRun.Cancel
        );
        var text = new StringBuilder();
        ChatFinishReason? reason = null;
        ChatTokenUsage? usage = null;
        await foreach (var update in chat.CompleteChatStreamingAsync([new UserChatMessage("Go on.")], cancellationToken: TestRun.Cancel))
        {
            text.AppendJoin("", update.ContentUpdate.Select(part => part.Text));
            reason = update.FinishReason ?? reason;
            usage = update.Usage ?? usage;
        }

        Assert.Contains(models.Value, each => each.Id == "default");
        Assert.Equal((JobClient.Words(20), ChatFinishReason.Stop), (whole.Content[0].Text, whole.FinishReason));
        Assert.Equal(20, whole.Usage.OutputTokenCount);
        Assert.Equal((JobClient.Words(20), ChatFinishReason.Stop), (text.ToString(), reason!.Value));
        Assert.Equal(20, usage!.OutputTokenCount);
    }

    [Fact]
    public async Task An_answer_cut_by_its_length_says_so()
    {
        var chat = Client().GetChatClient(await _client.TeachWordsAsync(50, 1));

        ChatCompletion cut = await chat.CompleteChatAsync(
            [new UserChatMessage("Go on.")],
            new ChatCompletionOptions { MaxOutputTokenCount = 5 },
            TestRun.Cancel
        );

        Assert.Equal(ChatFinishReason.Length, cut.FinishReason);
        Assert.Equal(JobClient.Words(5), cut.Content[0].Text.TrimEnd());
    }

    [Fact]
    public async Task Tools_are_asked_for_and_their_results_lead_to_an_answer()
    {
        var chat = Client().GetChatClient("sim-instant");
        var options = new ChatCompletionOptions
        {
            Tools =
            {
                ChatTool.CreateFunctionTool(
                    "weather",
                    "Tells the weather.",
                    BinaryData.FromString("""{"type":"object","properties":{"city":{"type":"string"}}}"""),
                    functionSchemaIsStrict: true
                ),
            },
            ToolChoice = ChatToolChoice.CreateRequiredChoice(),
        };
        List<ChatMessage> messages = [new UserChatMessage("Weather?")];

        ChatCompletion asked = await chat.CompleteChatAsync(messages, options, TestRun.Cancel);
        messages.Add(new AssistantChatMessage(asked));
        messages.Add(new ToolChatMessage(asked.ToolCalls[0].Id, "Rain."));
        options.ToolChoice = ChatToolChoice.CreateAutoChoice();
        ChatCompletion answered = await chat.CompleteChatAsync(messages, options, TestRun.Cancel);

        Assert.Equal((ChatFinishReason.ToolCalls, "weather"), (asked.FinishReason, Assert.Single(asked.ToolCalls).FunctionName));
        Assert.Equal(
            """{"city":"simulated"}""",
            asked
                .ToolCalls[0]
                .FunctionArguments.ToString()
                .Replace("\n", "", StringComparison.Ordinal)
                .Replace(" ", "", StringComparison.Ordinal)
        );
        Assert.Equal(ChatFinishReason.Stop, answered.FinishReason);
        Assert.Contains("simulated answer", answered.Content[0].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_answer_has_the_form_of_its_schema()
    {
        ChatCompletion answer = await Client()
            .GetChatClient("sim-instant")
            .CompleteChatAsync(
                [new UserChatMessage("Where?")],
                new ChatCompletionOptions
                {
                    ResponseFormat = ChatResponseFormat.CreateJsonSchemaFormat(
                        "place",
                        BinaryData.FromString(
                            """{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}"""
                        ),
                        jsonSchemaIsStrict: true
                    ),
                },
                TestRun.Cancel
            );

        Assert.Equal("simulated", System.Text.Json.JsonElement.Parse(answer.Content[0].Text).GetProperty("city").GetString());
    }

    [Fact]
    public async Task A_file_is_uploaded_read_and_deleted()
    {
        var client = Client().GetOpenAIFileClient();

        OpenAIFile made = await client.UploadFileAsync(BinaryData.FromString("{\"a\":1}\n"), "a.jsonl", FileUploadPurpose.Batch);
        BinaryData content = await client.DownloadFileAsync(made.Id, TestRun.Cancel);
        var all = await client.GetFilesAsync(FilePurpose.Batch, TestRun.Cancel);
        FileDeletionResult gone = await client.DeleteFileAsync(made.Id, TestRun.Cancel);

        Assert.Equal(("{\"a\":1}\n", "a.jsonl"), (content.ToString(), made.Filename));
        Assert.Contains(all.Value, each => each.Id == made.Id);
        Assert.True(gone.Deleted);
    }

    [Fact]
    public async Task A_batch_is_waited_for_by_the_SDK_itself()
    {
        var model = await _client.TeachWordsAsync(5, 1);
        var line =
            $$"""{"custom_id":"one","method":"POST","url":"/v1/chat/completions","body":{"model":"{{model}}","messages":[{"role":"user","content":"Go on."}]} }""";
        var files = Client().GetOpenAIFileClient();
        OpenAIFile made = await files.UploadFileAsync(BinaryData.FromString(line), "a.jsonl", FileUploadPurpose.Batch);
        using var body = BinaryContent.Create(
            BinaryData.FromString($$"""{"input_file_id":"{{made.Id}}","endpoint":"/v1/chat/completions","completion_window":"24h"}""")
        );

#pragma warning disable OPENAI001 // For evaluation, says the SDK.
        var operation = await Client().GetBatchClient().CreateBatchAsync(body, waitUntilCompleted: true);
        var batch = System.Text.Json.JsonElement.Parse(
            (await operation.GetBatchAsync(new RequestOptions { CancellationToken = TestRun.Cancel })).GetRawResponse().Content
        );
#pragma warning restore OPENAI001
        BinaryData answers = await files.DownloadFileAsync(batch.GetProperty("output_file_id").GetString(), TestRun.Cancel);

        Assert.Equal("completed", batch.GetProperty("status").GetString());
        Assert.Contains(JobClient.Words(5), answers.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Texts_become_vectors_that_are_close_when_they_share_words()
    {
        var client = Client().GetEmbeddingClient("sim-embed");

        OpenAIEmbeddingCollection all = await client.GenerateEmbeddingsAsync(
            ["the sky is blue", "the sky is grey", "kittens"],
            new EmbeddingGenerationOptions { Dimensions = 64, EndUserId = "ada" },
            TestRun.Cancel
        );

        float Closeness(int one, int other) => all[one].ToFloats().ToArray().Zip(all[other].ToFloats().ToArray(), (a, b) => a * b).Sum();
        Assert.Equal((3, 64, "sim-embed"), (all.Count, all[0].ToFloats().Length, all.Model));
        Assert.True(Closeness(0, 1) > Closeness(0, 2));
        Assert.True(all.Usage.InputTokenCount > 0);
    }

    [Fact]
    public async Task It_knows_our_errors_as_its_own()
    {
        var stranger = await Assert.ThrowsAsync<ClientResultException>(() =>
            Client("aib_test_no").GetChatClient("default").CompleteChatAsync([new UserChatMessage("Hi")], null, TestRun.Cancel)
        );
        var unknown = await Assert.ThrowsAsync<ClientResultException>(() =>
            Client().GetChatClient("gpt-none").CompleteChatAsync([new UserChatMessage("Hi")], null, TestRun.Cancel)
        );
        var unsupported = await Assert.ThrowsAsync<ClientResultException>(() =>
            Client()
                .GetChatClient("default")
                .CompleteChatAsync(
                    [new UserChatMessage("Hi")],
                    new ChatCompletionOptions { IncludeLogProbabilities = true },
                    TestRun.Cancel
                )
        );

        Assert.Equal((401, 404, 400), (stranger.Status, unknown.Status, unsupported.Status));
        Assert.Contains("model_not_found", unknown.Message, StringComparison.Ordinal);
        Assert.Contains("logprobs", unsupported.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_call_that_it_cancels_takes_its_job_along()
    {
        var model = await _client.TeachWordsAsync(2000, 20);
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (
                var update in Client().GetChatClient(model).CompleteChatStreamingAsync([new UserChatMessage("Go on.")], null, leave.Token)
            )
            {
                if (update.ContentUpdate.Count > 0)
                {
                    await leave.CancelAsync();
                }
            }
        });

        await _client.EndOfAsync(model, AiBackend.Core.Jobs.JobStatus.Cancelled);
    }

    [Fact]
    public async Task The_example_of_embeddings_works_as_it_stands()
    {
        var output = await Example.RunAsync(_stack, "docs/api.md", "embeddings");

        Assert.Contains("\"object\":\"embedding\"", output, StringComparison.Ordinal);
    }

    private OpenAIClient Client(string? key = null) =>
        new(
            new ApiKeyCredential(key ?? _stack.Key),
            new OpenAIClientOptions { Endpoint = new Uri(_stack.ApiAddress, "v1"), RetryPolicy = new ClientRetryPolicy(0) }
        );
}
