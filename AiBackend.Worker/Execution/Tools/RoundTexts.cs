using System.Globalization;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Reviews;
using AiBackend.Core.Providers.Wire;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using Microsoft.Extensions.AI;

namespace AiBackend.Worker.Execution.Tools;

/// <summary>Calls of tools as models, clients and reviewers are told of them.</summary>
internal static class RoundTexts
{
    /// <summary>A round as its model is to see it: what it asked for, and what came of it.</summary>
    public static IEnumerable<ChatMessage> Messages(IGrouping<int, ToolCall> round)
    {
        var first = round.First();
        IEnumerable<AIContent> said = string.IsNullOrEmpty(first.Said) ? [] : [new TextContent(first.Said)];
        yield return new ChatMessage(
            ChatRole.Assistant,
            [.. said, .. round.Select(call => AskedTool.Of(call.CallId, call.Tool, call.Arguments))]
        );
        foreach (var call in round)
        {
            var text = call.State == ToolCallState.Failed ? $"Error: {call.Result}" : call.Result;
            yield return new ChatMessage(ChatRole.Tool, [new FunctionResultContent(call.CallId, text ?? "")]);
        }
    }

    /// <summary>What is told of a call of a tool that has none left in this minute.</summary>
    public static string UsedUp(ToolDefinition tool, TimeSpan wait) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"The tool was not called: all of its {tool.CallsPerMinute} calls of this minute are used up. Go on without it, or ask again in {Math.Max(1, Math.Ceiling(wait.TotalSeconds))} seconds."
        );

    /// <summary>What a person is asked who has to decide about calls.</summary>
    public static string ReviewOf(string reason, IReadOnlyList<ToolCall> calls) =>
        JsonSerializer.Serialize(new ReviewQuestion(reason) { Calls = Questions(calls) }, WireJson.Default.ReviewQuestion);

    /// <summary>What the clients are asked that make these calls.</summary>
    public static string QuestionOf(IReadOnlyList<ToolCall> calls) =>
        JsonSerializer.Serialize(Questions(calls), WireJson.Default.IReadOnlyListToolQuestion);

    private static IReadOnlyList<ToolQuestion> Questions(IReadOnlyList<ToolCall> calls) =>
        [.. calls.Select(call => new ToolQuestion(call.CallId, call.Tool, call.Version, call.Arguments, call.EffectId))];
}
