using System.Text.Json;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Peers;

namespace AiBackend.Tests.OpenAiApi;

/// <summary>Runs a scenario of Peers/openai.mjs, or another script that uses the package, against a stack.</summary>
internal static class NodeSdk
{
    public static async Task<JsonElement> RunAsync(Stack stack, string scenario, string model = "default", string script = "openai.mjs")
    {
        using var node = await NodePeer.StartAsync(
            script,
            "openai",
            new Uri(stack.ApiAddress, "v1").ToString(),
            stack.Key,
            scenario,
            model
        );
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        patience.CancelAfter(TimeSpan.FromSeconds(90));
        await node.WaitForExitAsync(patience.Token);
        var said = node.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).LastOrDefault() ?? "";
        Assert.True(said.StartsWith('{'), node.Output);
        return JsonElement.Parse(said);
    }
}
