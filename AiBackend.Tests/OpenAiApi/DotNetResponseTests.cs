using System.ClientModel;
using System.ClientModel.Primitives;
using System.Text;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;
using OpenAI.Responses;

#pragma warning disable OPENAI001 // The SDK calls its responses experimental.

namespace AiBackend.Tests.OpenAiApi;

/// <summary>Responses of OpenAI's own .NET SDK against the whole running stack.</summary>
[Collection(StackCollection.Name)]
public sealed class DotNetResponseTests(StackFixture fixture)
{
    private readonly Stack _stack = fixture.Stack;
    private readonly JobClient _client = new(fixture.Stack);

    [Fact]
    public async Task A_response_in_the_background_is_left_resumed_gone_on_from_and_deleted()
    {
        var model = await _client.TeachWordsAsync(100, 20);
        var client = Client();
        var text = new StringBuilder();
        var last = -1;
        var kinds = new List<StreamingResponseUpdateKind>();

        ResponseResult begun = await client.CreateResponseAsync(
            new CreateResponseOptions(model, [ResponseItem.CreateUserMessageItem("Go on.")]) { BackgroundModeEnabled = true },
            TestRun.Cancel
        );
        await foreach (
            var update in (await client.GetResponseStreamingAsync(Streamed(begun.Id, null), TestRun.Cancel)).WithCancellation(
                TestRun.Cancel
            )
        )
        {
            last = update.SequenceNumber;
            if (update is StreamingResponseOutputTextDeltaUpdate delta && text.Append(delta.Delta).Length > 100)
            {
                break;
            }
        }

        await foreach (
            var update in (await client.GetResponseStreamingAsync(Streamed(begun.Id, last), TestRun.Cancel)).WithCancellation(
                TestRun.Cancel
            )
        )
        {
            kinds.Add(update.Kind);
            text.Append(update is StreamingResponseOutputTextDeltaUpdate delta ? delta.Delta : "");
        }

        ResponseResult whole = await client.GetResponseAsync(begun.Id, TestRun.Cancel);
        ResponseResult next = await client.CreateResponseAsync(model, "And?", begun.Id, TestRun.Cancel);
        ResponseDeletionResult deleted = await client.DeleteResponseAsync(begun.Id, TestRun.Cancel);
        var gone = await Assert.ThrowsAsync<ClientResultException>(() => client.GetResponseAsync(begun.Id, TestRun.Cancel));

        Assert.Equal(ResponseStatus.Queued, begun.Status);
        Assert.Equal(JobClient.Words(100), text.ToString());
        Assert.Equal(StreamingResponseUpdateKind.ResponseCompleted, kinds[^1]);
        Assert.Equal((JobClient.Words(100), ResponseStatus.Completed), (whole.GetOutputText(), whole.Status!.Value));
        Assert.Equal(100, whole.Usage.OutputTokenCount);
        Assert.Equal((JobClient.Words(100), begun.Id), (next.GetOutputText(), next.PreviousResponseId));
        Assert.Equal(begun.Id, deleted.ResponseId);
        Assert.Equal(404, gone.Status);
    }

    [Fact]
    public async Task Tools_and_schemas_and_a_cancel_are_as_the_SDK_expects_them()
    {
        var client = Client();
        var schema = BinaryData.FromString(
            """{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}"""
        );
        var options = new CreateResponseOptions("sim-instant", [ResponseItem.CreateUserMessageItem("Weather?")])
        {
            Instructions = "Be brief.",
            ToolChoice = ResponseToolChoice.CreateRequiredChoice(),
        };
        options.Tools.Add(ResponseTool.CreateFunctionTool("weather", schema, strictModeEnabled: true));

        ResponseResult asked = await client.CreateResponseAsync(options, TestRun.Cancel);
        var call = Assert.IsType<FunctionCallResponseItem>(Assert.Single(asked.OutputItems));
        ResponseResult answered = await client.CreateResponseAsync(
            new CreateResponseOptions("sim-instant", [ResponseItem.CreateFunctionCallOutputItem(call.CallId, "Rain.")])
            {
                PreviousResponseId = asked.Id,
                TextOptions = new ResponseTextOptions
                {
                    TextFormat = ResponseTextFormat.CreateJsonSchemaFormat("place", schema, null, true),
                },
            },
            TestRun.Cancel
        );
        ResponseResult doomed = await client.CreateResponseAsync(
            new CreateResponseOptions(await _client.TeachWordsAsync(2000, 20), [ResponseItem.CreateUserMessageItem("Go on.")])
            {
                BackgroundModeEnabled = true,
            },
            TestRun.Cancel
        );
        ResponseResult cancelled = await client.CancelResponseAsync(doomed.Id, TestRun.Cancel);

        Assert.Equal("weather", call.FunctionName);
        Assert.Equal("simulated", System.Text.Json.JsonElement.Parse(answered.GetOutputText()).GetProperty("city").GetString());
        Assert.Equal(ResponseStatus.Cancelled, cancelled.Status);
    }

    private static GetResponseOptions Streamed(string id, int? after) => new(id) { StreamingEnabled = true, StartingAfter = after };

    private ResponsesClient Client() =>
        new(
            new ApiKeyCredential(_stack.Key),
            new ResponsesClientOptions { Endpoint = new Uri(_stack.ApiAddress, "v1"), RetryPolicy = new ClientRetryPolicy(0) }
        );
}
