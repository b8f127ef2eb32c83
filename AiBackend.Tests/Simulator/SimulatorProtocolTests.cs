using System.ClientModel;
using System.Text.Json;
using AiBackend.Tests.Fixtures;
using OpenAI;
using OpenAI.Chat;

namespace AiBackend.Tests.Simulator;

/// <summary>The simulator is a provider like any other: OpenAI's own SDK, untouched, reads what it writes.</summary>
public sealed class SimulatorProtocolTests(SimulatorServer simulator) : IClassFixture<SimulatorServer>
{
    [Fact]
    public async Task The_official_client_streams_from_it()
    {
        var model = await simulator.ModelAsync(new { text = "Größe \"5\" 世界 🎉\n" });
        var text = "";
        ChatTokenUsage? usage = null;
        ChatFinishReason? reason = null;

        await foreach (
            var update in Client(model)
                .CompleteChatStreamingAsync([ChatMessage.CreateUserMessage("Hello")], cancellationToken: TestRun.Cancel)
        )
        {
            text += string.Concat(update.ContentUpdate.Select(part => part.Text));
            usage = update.Usage ?? usage;
            reason = update.FinishReason ?? reason;
            Assert.Equal("simulated", update.SystemFingerprint);
        }

        Assert.Equal("Größe \"5\" 世界 🎉\n", text);
        Assert.Equal(ChatFinishReason.Stop, reason);
        Assert.True(usage is { InputTokenCount: > 0, OutputTokenCount: 4 });
    }

    [Fact]
    public async Task The_official_client_gets_a_whole_answer_from_it()
    {
        var model = await simulator.ModelAsync(new { words = 3 });

        var answer = (
            await Client(model).CompleteChatAsync([ChatMessage.CreateUserMessage("Hello")], cancellationToken: TestRun.Cancel)
        ).Value;

        Assert.Equal("word1 word2 word3", answer.Content[0].Text);
        Assert.Equal(
            (model, "simulated", ChatFinishReason.Stop, 3),
            (answer.Model, answer.SystemFingerprint, answer.FinishReason, answer.Usage.OutputTokenCount)
        );
    }

    [Fact]
    public async Task Without_a_script_the_first_words_say_that_it_is_simulated()
    {
        var answer = (
            await Client("sim-instant").CompleteChatAsync([ChatMessage.CreateUserMessage("Why?")], cancellationToken: TestRun.Cancel)
        ).Value;

        Assert.StartsWith("This is a simulated answer.", answer.Content[0].Text);
        Assert.Contains("“Why?”", answer.Content[0].Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("valid", true)]
    [InlineData("wrong_type", false)]
    [InlineData("truncated", false)]
    [InlineData("prose", false)]
    [InlineData("fenced", false)]
    public async Task Json_for_a_schema_is_right_or_wrong_on_demand(string json, bool valid)
    {
        var model = await simulator.ModelAsync(new { json });
        var schema =
            """{"type":"object","properties":{"city":{"type":"string"},"size":{"enum":["s","l"]},"tags":{"type":"array","items":{"type":"integer","minimum":3}}},"required":["city"]}""";
        var options = new ChatCompletionOptions
        {
            ResponseFormat = ChatResponseFormat.CreateJsonSchemaFormat("place", BinaryData.FromString(schema)),
        };

        var answer = (await Client(model).CompleteChatAsync([ChatMessage.CreateUserMessage("Where?")], options, TestRun.Cancel))
            .Value
            .Content[0]
            .Text;

        Assert.Equal(valid, IsPlace(answer));
    }

    [Fact]
    public async Task Its_models_are_listed_and_others_are_not_found()
    {
        var models = await simulator.Http.GetFromJsonAsync<JsonElement>("/v1/models", TestRun.Cancel);
        Assert.Contains("sim-slow", models.GetProperty("data").EnumerateArray().Select(model => model.GetProperty("id").GetString()));

        var refused = await Assert.ThrowsAsync<ClientResultException>(() =>
            Client("gpt-x").CompleteChatAsync([ChatMessage.CreateUserMessage("?")], cancellationToken: TestRun.Cancel)
        );
        Assert.Equal(404, refused.Status);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{")]
    [InlineData("""{"model":"sim"}""")]
    [InlineData("""{"model":"sim","messages":[]}""")]
    [InlineData("""{"model":"sim","messages":[{"role":"user","content":"x"}],"stream":"yes"}""")]
    public async Task A_request_that_is_none_is_400_in_OpenAIs_shape(string body)
    {
        using var content = new StringContent(body);
        using var response = await simulator.Http.PostAsync("/v1/chat/completions", content, TestRun.Cancel);

        Assert.Equal(400, (int)response.StatusCode);
        var error = (await response.Content.ReadFromJsonAsync<JsonElement>(TestRun.Cancel)).GetProperty("error");
        Assert.Equal("invalid_request_error", error.GetProperty("type").GetString());
    }

    private static bool IsPlace(string text)
    {
        try
        {
            using var json = JsonDocument.Parse(text);
            return json.RootElement.ValueKind == JsonValueKind.Object
                && json.RootElement.GetProperty("city").ValueKind == JsonValueKind.String
                && json.RootElement.GetProperty("size").GetString() == "s"
                && json.RootElement.GetProperty("tags")[0].GetInt32() == 3;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private ChatClient Client(string model) =>
        new(
            model,
            new ApiKeyCredential("any"),
            new OpenAIClientOptions
            {
                Endpoint = new Uri(simulator.Address, "/v1"),
                RetryPolicy = new System.ClientModel.Primitives.ClientRetryPolicy(0),
            }
        );
}
