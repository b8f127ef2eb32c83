using System.Text.Json;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Code;

namespace AiBackend.Tests.Tools;

/// <summary>What holds for tools in code that say nothing of it.</summary>
public sealed class CodeToolTermsTests
{
    [Theory]
    [InlineData(ToolEffect.Write, true)]
    [InlineData(ToolEffect.WriteIdempotent, false)]
    [InlineData(ToolEffect.Read, false)]
    public void A_61_one_that_writes_needs_approval(ToolEffect effect, bool needed) =>
        Assert.Equal(needed, new CodeTools([new Silent(effect)]).Definition("silent")!.NeedsApproval);

    private sealed class Silent(ToolEffect effect) : ICodeTool
    {
        public string Name => "silent";

        public string Description => "Says nothing.";

        public JsonElement Parameters { get; } = JsonElement.Parse("""{"type":"object"}""");

        public ToolEffect Effect => effect;

        public ValueTask<CodeResult> RunAsync(CodeCaller caller, JsonElement arguments, CancellationToken cancellationToken) =>
            new(new CodeResult("said"));
    }
}
