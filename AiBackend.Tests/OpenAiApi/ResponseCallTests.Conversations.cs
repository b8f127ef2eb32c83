using System.Net;
using AiBackend.ApiContracts.Conversations;
using AiBackend.Core.Jobs;
using AiBackend.Tests.Conversations;
using AiBackend.Tests.Fixtures;
using static AiBackend.Tests.OpenAiApi.OpenAiClientOf;

namespace AiBackend.Tests.OpenAiApi;

// Conversations of the native API, gone on with by responses.
public sealed partial class ResponseCallTests
{
    [Theory]
    [InlineData("\"{0}\"")]
    [InlineData("{{\"id\":\"{0}\"}}")]
    public async Task A_response_goes_on_with_a_conversation_and_says_which(string form)
    {
        var core = await api.WorkerAsync();
        var conversation = await core.BeginAsync(
            new NewConversation
            {
                Messages = [new() { Role = "user", Content = "My name is Ada." }, new() { Role = "assistant", Content = "Hello Ada." }],
            }
        );
        var member = string.Format(System.Globalization.CultureInfo.InvariantCulture, form, conversation);

        var queued = await CreateAsync($$"""{"model":"default","background":true,"input":"Who am I?","conversation":{{member}}}""");
        var id = Text(queued, "id")!;
        var running = await ClaimAsync(JobOf(id));
        await running.EndAsync(AttemptEnd.Succeeded("You are Ada.") with { FinishReason = "stop" });
        var done = await GetAsync(id);
        using var after = await PostAsync($$"""{"model":"default","input":"And?","previous_response_id":"{{id}}"}""");

        Assert.Equal(conversation.ToString(), Text(queued.GetProperty("conversation"), "id"));
        Assert.Equal(conversation.ToString(), Text(done.GetProperty("conversation"), "id"));
        Assert.Equal(conversation, (await api.GetJobAsync(JobOf(id))).ConversationId);
        Assert.Equal(
            ["user: My name is Ada.", "assistant: Hello Ada.", "user: Who am I?", "assistant: You are Ada."],
            await core.SaidAsync(conversation)
        );
        Assert.Contains(
            conversation.ToString(),
            Text(await ReadErrorAsync(after, HttpStatusCode.BadRequest), "message")!,
            StringComparison.Ordinal
        );
    }

    [Theory]
    [InlineData("\"input\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]", "input[1].role")]
    [InlineData("\"input\":\"Hello\",\"tools\":[{\"type\":\"function\",\"name\":\"f\"}]", "tools")]
    [InlineData("\"input\":\"Hello\",\"metadata\":{\"aibackend_cache\":\"read_write\"}", "metadata.aibackend_cache")]
    public async Task What_does_not_go_with_a_conversation_is_named(string members, string param)
    {
        var conversation = await (await api.WorkerAsync()).BeginAsync();

        using var response = await PostAsync($$"""{"model":"default","conversation":"{{conversation}}",{{members}}}""");

        var error = await ReadErrorAsync(response, HttpStatusCode.BadRequest);
        Assert.Equal((param, "invalid_value"), (Text(error, "param"), Text(error, "code")));
    }

    [Fact]
    public async Task A_response_goes_on_from_another_one_or_with_a_conversation_and_not_both()
    {
        var conversation = await (await api.WorkerAsync()).BeginAsync();
        var id = Text(await CreateAsync(Background), "id")!;
        var running = await ClaimAsync(JobOf(id));
        Assert.True(await running.EndAsync(AttemptEnd.Succeeded("Hi.") with { FinishReason = "stop" }));

        using var both = await PostAsync(
            $$"""{"model":"default","background":true,"input":"And?","previous_response_id":"{{id}}","conversation":"{{conversation}}"}"""
        );

        Assert.Equal("previous_response_id", Text(await ReadErrorAsync(both, HttpStatusCode.BadRequest), "param"));
    }

    [Fact]
    public async Task A_conversation_of_nobody_or_of_another_tenant_is_not_found()
    {
        using var other = api.Client(await api.AddTenantAsync());
        var conversation = await (await api.WorkerAsync()).BeginAsync();
        var body = $$"""{"model":"default","background":true,"input":"Hello","conversation":"{{conversation}}"}""";

        using var nobody = await PostAsync(
            body.Replace(conversation.ToString(), Guid.CreateVersion7().ToString(), StringComparison.Ordinal)
        );
        using var content = new StringContent(body, System.Text.Encoding.UTF8, "application/json");
        using var foreign = await other.PostAsync("/v1/responses", content, TestRun.Cancel);

        Assert.Equal("conversation_not_found", Text(await ReadErrorAsync(nobody, HttpStatusCode.NotFound), "code"));
        Assert.Equal("conversation_not_found", Text(await ReadErrorAsync(foreign, HttpStatusCode.NotFound), "code"));
    }
}
