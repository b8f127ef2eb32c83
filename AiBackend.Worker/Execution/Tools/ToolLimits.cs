using System.Text.Json;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using static System.FormattableString;

namespace AiBackend.Worker.Execution.Tools;

/// <summary>Ends what would go on for ever: a model that calls and calls.</summary>
internal static class ToolLimits
{
    /// <summary>Calls of one turn.</summary>
    public const int MostAtOnce = 100;

    /// <summary>How often the same tool may be asked the same.</summary>
    private const int MostRepeats = 3;

    /// <param name="options">What holds for every job.</param>
    /// <param name="terms">What holds for this one.</param>
    /// <param name="before">All calls so far.</param>
    /// <param name="round">Those that the model asks for now.</param>
    /// <returns>Why none of them is made, or null.</returns>
    public static JobError? Exceeded(ToolsOptions options, ToolTerms terms, IReadOnlyList<ToolCall> before, IReadOnlyList<ToolCall> round)
    {
        var mostCalls = Math.Min(options.MaxCalls, terms.MaxCalls ?? int.MaxValue);
        var (tokens, cost) = (before.Concat(round).Sum(call => call.Tokens), before.Concat(round).Sum(call => call.CostUsd ?? 0));
        var why =
            round.Count > MostAtOnce ? Invariant($"The model asked for {round.Count} calls at once; at most {MostAtOnce} are allowed.")
            : round[0].Round > options.MaxRounds ? Invariant($"The model asked for tools in more than {options.MaxRounds} turns.")
            : before.Count + round.Count > mostCalls ? Invariant($"The model asked for more than {mostCalls} calls of tools.")
            : tokens > options.MaxTokens ? Invariant($"The turns used {tokens} tokens; a job with tools may use {options.MaxTokens}.")
            : cost > options.MaxCostUsd ? Invariant($"The turns cost {cost} US dollars; a job with tools may cost {options.MaxCostUsd}.")
            : Repeated(before, round) is { } tool ? Invariant($"The model asked {tool} the same for the {MostRepeats}rd time.")
            : null;
        return why is null
            ? null
            : new("tool_limit", "contract_violation", $"{why} Ask for less, or change the tools or the limits.", Retryable: true);
    }

    private static string? Repeated(IReadOnlyList<ToolCall> before, IReadOnlyList<ToolCall> round) =>
        before
            .Concat(round)
            .GroupBy(call => (call.Tool, Canonical(call.Arguments)))
            .FirstOrDefault(same => same.Count() >= MostRepeats)
            ?.Key.Tool;

    /// <summary>White space and the order of members do not make a question another one.</summary>
    private static string Canonical(string arguments)
    {
        try
        {
            using var document = JsonDocument.Parse(arguments);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? string.Join(
                    '\n',
                    document
                        .RootElement.EnumerateObject()
                        .OrderBy(member => member.Name, StringComparer.Ordinal)
                        .Select(member =>
                            $"{member.Name}={JsonSerializer.Serialize(member.Value, ApiContracts.WireJson.Default.JsonElement)}"
                        )
                )
                : arguments;
        }
        catch (JsonException)
        {
            return arguments;
        }
    }
}
