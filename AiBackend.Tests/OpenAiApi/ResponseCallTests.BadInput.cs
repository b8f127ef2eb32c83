using System.Net;
using static AiBackend.Tests.OpenAiApi.OpenAiClientOf;

namespace AiBackend.Tests.OpenAiApi;

// What is refused, by name.
public sealed partial class ResponseCallTests
{
    [Theory]
    [InlineData("\"conversation\":\"conv_1\"", "conversation", "invalid_value")]
    [InlineData("\"conversation\":7", "conversation", "invalid_value")]
    [InlineData("\"conversation\":{}", "conversation", "invalid_value")]
    [InlineData("\"conversation\":{\"id\":\"conv_1\"}", "conversation.id", "invalid_value")]
    [InlineData(
        "\"conversation\":{\"id\":\"0199f3d2-3c1f-7f0e-8b5e-6a1d2c3b4a59\",\"items\":[]}",
        "conversation.items",
        "unknown_parameter"
    )]
    [InlineData("\"prompt\":{\"id\":\"p\"}", "prompt", "unsupported_parameter")]
    [InlineData("\"max_tool_calls\":3", "max_tool_calls", "unsupported_parameter")]
    [InlineData("\"truncation\":\"auto\"", "truncation", "unsupported_parameter")]
    [InlineData("\"include\":[\"reasoning.encrypted_content\"]", "include", "unsupported_parameter")]
    [InlineData("\"reasoning\":{\"summary\":\"auto\"}", "reasoning.summary", "unsupported_parameter")]
    [InlineData("\"tools\":[{\"type\":\"web_search\"}]", "tools[0].type", "unsupported_parameter")]
    [InlineData("\"background\":true,\"store\":false", "store", "invalid_value")]
    [InlineData("\"previous_response_id\":\"abc\"", "previous_response_id", "invalid_value")]
    [InlineData("\"text\":{\"format\":{\"type\":\"json_schema\"}}", "text.format", "invalid_value")]
    [InlineData("\"text\":{\"format\":{\"type\":\"poem\"}}", "text.format.type", "invalid_value")]
    [InlineData("\"reasoning\":{\"effort\":\"most\"}", "reasoning.effort", "invalid_value")]
    [InlineData("\"tools\":[{\"type\":\"function\",\"name\":\"a b\"}]", "tools[0].name", "invalid_value")]
    [InlineData("\"max_output_tokens\":0", "max_output_tokens", "invalid_value")]
    [InlineData("\"messages\":[]", "messages", "unknown_parameter")]
    [InlineData("\"user\":\"a\",\"safety_identifier\":\"b\"", "safety_identifier", "invalid_value")]
    [InlineData("\"text\":{\"format\":{\"type\":\"json_object\",\"schema\":{}}}", "text.format.type", "invalid_value")]
    [InlineData("\"metadata\":{\"proxy\":\"x\"}", "metadata.proxy", "forbidden_member")]
    public async Task A_46_a_parameter_that_is_not_supported_is_named(string member, string param, string code)
    {
        using var response = await PostAsync($$"""{"model":"default","input":"Hello",{{member}}}""");

        var error = await ReadErrorAsync(response, HttpStatusCode.BadRequest);
        Assert.Equal((param, code), (Text(error, "param"), Text(error, "code")));
    }

    [Theory]
    [InlineData("{\"role\":\"user\",\"content\":\"Hello\",\"name\":\"x\"}", "input[0].name")]
    [InlineData("{\"type\":\"message\",\"role\":\"user\",\"content\":\"Hello\",\"output\":\"x\"}", "input[0].output")]
    [InlineData("{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{}\",\"content\":\"x\"}", "input[0].content")]
    [InlineData("{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"x\",\"arguments\":\"{}\"}", "input[0].arguments")]
    public async Task A_46_a_member_that_an_item_has_no_use_for_is_named(string item, string param)
    {
        using var response = await PostAsync($$"""{"model":"default","input":[{{item}}]}""");

        var error = await ReadErrorAsync(response, HttpStatusCode.BadRequest);
        Assert.Equal((param, "unsupported_parameter"), (Text(error, "param"), Text(error, "code")));
    }
}
