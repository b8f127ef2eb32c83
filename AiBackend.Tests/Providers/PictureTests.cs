using AiBackend.Core.Providers.Catalog;
using AiBackend.Tests.Fixtures;
using Microsoft.Extensions.AI;
using static AiBackend.Tests.Providers.Wire;

namespace AiBackend.Tests.Providers;

/// <summary>How a picture is said in each protocol, and who is asked about one.</summary>
public sealed class PictureTests
{
    private static readonly byte[] Image = [0x89, 0x50, 0xFB, 0xEF];

    private static readonly IReadOnlyList<ChatMessage> Question =
    [
        new(ChatRole.User, [new TextContent("Look:"), new DataContent(Image, "image/png"), new TextContent("What is it?")]),
    ];

    [Theory]
    [InlineData(
        OpenAi,
        """[{"type":"text","text":"Look:"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVD77w=="}},{"type":"text","text":"What is it?"}]"""
    )]
    [InlineData(
        Wire.Anthropic,
        """[{"type":"text","text":"Look:"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVD77w=="}},{"type":"text","text":"What is it?"}]"""
    )]
    public async Task A_picture_stands_between_the_texts_where_it_was_put(string kind, string content)
    {
        await using var provider = new RawProvider(RawReply.Stream(Answer(kind, "x")));
        using var providers = ProviderHost.OfKind(kind, provider.Address);

        await providers.Chat.StreamAsync("default", Question, null, TestRun.Cancel).ReadAllAsync();

        var message = Assert.Single(provider.Requests).Json.GetProperty("messages").EnumerateArray().Single();
        Assert.Equal("user", message.GetProperty("role").GetString());
        Assert.Equal(content, System.Text.Json.JsonSerializer.Serialize(message.GetProperty("content"), Plain));
    }

    [Fact]
    public void A_call_with_a_picture_uses_what_not_every_model_can()
    {
        Assert.Equal(["images"], ModelCapabilities.Of(Question, null));
        Assert.Equal(["json", "images"], ModelCapabilities.Of(Question, new ChatOptions { ResponseFormat = ChatResponseFormat.Json }));
        Assert.Empty(ModelCapabilities.Of(ProviderHost.Question, null));
    }

    private static System.Text.Json.JsonSerializerOptions Plain { get; } =
        new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}
