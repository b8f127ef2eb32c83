using System.Globalization;
using System.Text.RegularExpressions;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Api.OpenAi.Reading;

/// <summary>Says what is wrong with the chat that a response became in terms of what its caller sent.</summary>
internal static partial class ResponsePaths
{
    private static readonly (string Chat, string Response)[] Members =
    [
        ("response_format.json_schema", "text.format"),
        ("response_format", "text.format"),
        ("reasoning_effort", "reasoning.effort"),
        ("messages", "input"),
        ("feature", "metadata.aibackend_feature"),
        ("priority", "metadata.aibackend_priority"),
        ("cache", "metadata.aibackend_cache"),
        ("max_cost_usd", "metadata.aibackend_max_cost_usd"),
    ];

    /// <param name="refusal">Why the chat is refused.</param>
    /// <param name="response">What was sent.</param>
    /// <param name="chat">The whole chat, with all that it takes over.</param>
    public static Refusal Restore(Refusal refusal, TranslatedResponse response, ChatInput chat)
    {
        var detail = refusal.Detail;
        var errors = new Dictionary<string, string[]>(StringComparer.Ordinal);
        foreach (var (path, messages) in refusal.Errors ?? [])
        {
            var sent = Sent(path, response, chat);
            detail = Said(detail, path, sent);
            var said = messages.Select(message => Said(message, path, sent));
            errors[sent] = errors.TryGetValue(sent, out var earlier) ? [.. earlier, .. said] : [.. said];
        }

        return refusal with
        {
            Detail = detail,
            Errors = refusal.Errors is null ? null : errors,
        };
    }

    private static string Sent(string path, TranslatedResponse response, ChatInput chat)
    {
        if (MessagePath().Match(path) is { Success: true } message)
        {
            return OfMessage(Number(message.Groups["index"]), message.Groups["rest"].Value, response, chat);
        }

        if (ToolPath().Match(path) is { Success: true } tool)
        {
            return tool.Groups["tool"].Value + tool.Groups["rest"].Value;
        }

        var (known, own) = Members.FirstOrDefault(member =>
            path == member.Chat || path.StartsWith(member.Chat + ".", StringComparison.Ordinal)
        );
        return known is null ? path : own + path[known.Length..];
    }

    private static string OfMessage(int index, string rest, TranslatedResponse response, ChatInput chat)
    {
        var own = index - (chat.Messages!.Count - response.Call.Chat.Messages!.Count);
        if (own < 0)
        {
            return index == 0 && response.Details.Instructions is { Length: > 0 } ? "instructions" : "previous_response_id";
        }

        if (own >= response.Places.Count)
        {
            return "input";
        }

        var items = response.Places[own];
        if (CallPath().Match(rest) is { Success: true } call && chat.Messages[index].ToolCalls is { } calls)
        {
            // The calls of a message are its last items.
            var member = call.Groups["rest"].Value switch
            {
                ".id" => ".call_id",
                ".function.name" => ".name",
                _ => "",
            };
            return At(items[^(calls.Count - Number(call.Groups["index"]))]) + member;
        }

        return At(items[0])
            + rest switch
            {
                ".tool_call_id" => ".call_id",
                ".role" or ".content" => rest,
                _ => "",
            };
    }

    /// <summary>A text names its path only as a whole word.</summary>
    private static string Said(string text, string path, string sent) =>
        text.StartsWith(path + " ", StringComparison.Ordinal)
            ? sent + text[path.Length..]
            : text.Replace($" {path} ", $" {sent} ", StringComparison.Ordinal);

    private static string At(int item) => FormattableString.Invariant($"input[{item}]");

    private static int Number(Group digits) => int.Parse(digits.ValueSpan, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^messages\[(?<index>[0-9]+)\](?<rest>.*)$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex MessagePath();

    [GeneratedRegex(@"^\.tool_calls\[(?<index>[0-9]+)\](?<rest>.*)$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex CallPath();

    [GeneratedRegex(@"^(?<tool>tools\[[0-9]+\])\.function(?<rest>.*)$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex ToolPath();
}
