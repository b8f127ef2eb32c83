using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Anthropic;
using AiBackend.Tests.Fixtures;
using Microsoft.Extensions.AI;
using static AiBackend.Tests.Providers.Wire;

namespace AiBackend.Tests.Providers;

/// <summary>What is Anthropic's own: how a conversation is said, how tokens are counted, and how it refuses.</summary>
public sealed class AnthropicTests
{
    private const string Kind = Wire.Anthropic;

    [Fact]
    public async Task Instructions_stand_before_the_conversation_and_what_the_API_refuses_is_left_out()
    {
        await using var provider = new RawProvider(RawReply.Stream(Answer(Kind, "x")));
        using var providers = ProviderHost.OfKind(Kind, provider.Address);
        IReadOnlyList<ChatMessage> conversation =
        [
            new(ChatRole.System, "Be brief."),
            new(ChatRole.User, "Hello"),
            new(ChatRole.Assistant, "Hi. \"How\" are you?"),
            new(ChatRole.System, "Rhyme."),
            new(ChatRole.User, "世界 🎉"),
        ];

        await providers.Chat.StreamAsync("default", conversation, new ChatOptions { Temperature = 0.5f }, TestRun.Cancel).ReadAllAsync();

        var request = Assert.Single(provider.Requests);
        // The address was given with /v1.
        Assert.StartsWith("POST /v1/messages HTTP/1.1", request.Head, StringComparison.Ordinal);
        Assert.NotNull(request.Header("anthropic-version"));
        Assert.Equal("Be brief.\n\nRhyme.", request.Json.GetProperty("system").GetString());
        Assert.Equal(
            [("user", "Hello"), ("assistant", "Hi. \"How\" are you?"), ("user", "世界 🎉")],
            request
                .Json.GetProperty("messages")
                .EnumerateArray()
                .Select(each => (each.GetProperty("role").GetString()!, each.GetProperty("content").GetString()!))
        );
        Assert.Equal(AnthropicChatClient.DefaultMaxTokens, request.Json.GetProperty("max_tokens").GetInt32());
        Assert.False(request.Json.TryGetProperty("temperature", out _));
    }

    [Fact]
    public async Task A_server_without_keys_gets_none()
    {
        await using var provider = new RawProvider(RawReply.Stream(Answer(Kind, "x")));
        using var providers = ProviderHost.OfKind(Kind, provider.Address, ("API_KEY", ""));

        await providers.StreamAsync().ReadAllAsync();

        Assert.Equal("Bearer none", Assert.Single(provider.Requests).Header("Authorization"));
    }

    [Theory]
    [InlineData("prompt is too long: 210000 tokens > 200000 maximum", "caller_error", "context_length_exceeded")]
    [InlineData("input length and `max_tokens` exceed context limit: 1 + 2 > 2", "caller_error", "context_length_exceeded")]
    [InlineData("Your credit balance is too low to access the Anthropic API.", "provider_auth", "provider_quota_exhausted")]
    [InlineData("You have reached your specified API usage limits.", "provider_auth", "provider_quota_exhausted")]
    [InlineData("messages: at least one message is required", "caller_error", "invalid_request")]
    public async Task A_bad_request_that_is_none_of_the_callers_is_told_apart(string message, string @class, string code)
    {
        await using var provider = new RawProvider(RawReply.Status(400, Error(Kind, "invalid_request_error", message)));
        using var providers = ProviderHost.OfKind(Kind, provider.Address);

        var failure = await Failure.OfAsync(providers.StreamAsync());

        Assert.Equal((@class, code), (failure.Class, failure.Code));
    }

    [Theory]
    // The end repeats every count, as newer servers do: the same tokens, not more of them.
    [InlineData("""{"input_tokens":6,"cache_read_input_tokens":4,"cache_creation_input_tokens":2,"output_tokens":9}""", 12L, 4L, 9L)]
    [InlineData("""{"input_tokens":7,"output_tokens":9,"cache_read_input_tokens":null}""", 13L, 4L, 9L)]
    [InlineData("""{"output_tokens":9,"server_tool_use":{"input_tokens":500}}""", 12L, 4L, 9L)]
    [InlineData("""{"output_tokens":-9}""", null, null, null)]
    [InlineData("""{"output_tokens":1e30}""", null, null, null)]
    [InlineData("""{"output_tokens":"9"}""", null, null, null)]
    [InlineData("""{"input_tokens":-1,"output_tokens":9}""", null, null, null)]
    // Only the beginning has told a count then, and that one is not of the whole answer.
    [InlineData("{}", null, null, null)]
    [InlineData("null", null, null, null)]
    [InlineData("[1]", null, null, null)]
    public async Task Tokens_are_those_of_the_whole_answer_or_unknown(string usage, long? input, long? cached, long? output)
    {
        var end = Event("message_delta", $$""" "delta":{"stop_reason":"end_turn"},"usage":{{usage}} """) + Event("message_stop");
        await using var provider = new RawProvider(RawReply.Stream(Begun(Kind, "x") + end));
        using var providers = ProviderHost.OfKind(Kind, provider.Address);

        var told = Assert.IsType<ChatProgress.Finished>((await providers.StreamAsync().ReadAllAsync())[^1]).Usage;

        Assert.Equal((input, cached, output), (told?.InputTokens, told?.CachedTokens, told?.OutputTokens));
    }

    [Fact]
    public async Task A_model_that_thinks_in_silence_is_not_taken_for_dead_and_its_thoughts_are_not_the_answer()
    {
        var thought =
            Event("content_block_start", """ "index":0,"content_block":{"type":"thinking","thinking":"","signature":""} """)
            + Event("ping");
        var rest =
            Event("content_block_delta", """ "index":0,"delta":{"type":"thinking_delta","thinking":"secret thought"} """)
            + Event("content_block_delta", """ "index":0,"delta":{"type":"signature_delta","signature":"abc"} """)
            + Event("content_block_stop", """ "index":0 """);
        await using var provider = new RawProvider(RawReply.Stream(thought + rest + Answer(Kind, "answer")));
        using var providers = ProviderHost.OfKind(Kind, provider.Address);

        var updates = new List<ChatResponseUpdate>();
        var client = providers.Catalog.Route("default")[0].Client;
        await foreach (var update in client.GetStreamingResponseAsync(ProviderHost.Question, null, TestRun.Cancel))
        {
            updates.Add(update);
        }

        // The block, the ping in it, the thought and its signature are signs of life; everything but the answer is empty.
        Assert.Equal(["", "", "", "", "answer", ""], updates.Select(update => update.Text));
    }

    [Fact]
    public async Task F_25_Pings_alone_are_no_work()
    {
        await using var provider = new RawProvider(
            RawReply.Silent(AnthropicBeginning + string.Concat(Enumerable.Repeat(Event("ping"), 20)))
        );
        using var providers = ProviderHost.OfKind(Kind, provider.Address, ("FIRST_TOKEN_TIMEOUT_SECONDS", "0.3"));

        var failure = await Failure.OfAsync(providers.StreamAsync());

        Assert.Equal("Provider 'p0' sent no first token within 0.3 s.", failure.Message);
    }
}
