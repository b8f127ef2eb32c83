using System.Collections.Concurrent;
using AiBackend.Simulator.Behaviours;

namespace AiBackend.Simulator.Chat;

/// <summary>Decides what the answer to a request is, and how many tokens of it are sent.</summary>
internal sealed class ChatAnswerer
{
    /// <summary>Enough for every script of a test run; a client that sends more only pays for splitting again.</summary>
    private const int MaxCached = 256;

    private readonly ConcurrentDictionary<string, Answer> _texts = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<int, Answer> _words = new();

    public PlannedAnswer Plan(ChatRequest request, SimBehaviour behaviour)
    {
        if (AskedTools(request, behaviour) is { Count: > 0 } calls)
        {
            return new PlannedAnswer(new Answer(""), 0, behaviour.FinishReason ?? "tool_calls") { ToolCalls = calls };
        }

        var answer = Choose(request, behaviour);
        var wanted = behaviour.OutputTokens ?? answer.Count;
        if (behaviour.Prefill == SimPrefill.Continue && request.Begun is { } begun)
        {
            var whole = answer.Text(wanted);
            answer = new Answer(whole[Math.Min(begun.Characters, whole.Length)..]);
            wanted = answer.Count;
        }

        var cut = !behaviour.IgnoreMaxTokens && request.MaxTokens is { } most && most < wanted;
        var count = cut ? request.MaxTokens!.Value : wanted;
        return new PlannedAnswer(answer, count, behaviour.FinishReason ?? (cut ? "length" : "stop"));
    }

    /// <summary>Each with arguments that fit its schema, or do not, as the behaviour says for JSON.</summary>
    private static List<SimToolCall> AskedTools(ChatRequest request, SimBehaviour behaviour)
    {
        var tools = request switch
        {
            { RequiredTool: { } name } when behaviour.Tools != SimTools.Never => request
                .Tools.Where(tool => name.Length == 0 || tool.Name == name)
                .Take(1),
            _ when behaviour.Tools == SimTools.Always => request.Tools.Take(1),
            _ when request.Messages[^1].Role == "tool" => [],
            _ => behaviour.Tools switch
            {
                SimTools.First => request.Tools.Take(1),
                SimTools.All => request.Tools,
                _ => [],
            },
        };
        return
        [
            .. tools
                .SelectMany(tool => Enumerable.Repeat(tool, behaviour.ToolCopies))
                .Select(tool => new SimToolCall(
                    $"call_{Guid.CreateVersion7():N}",
                    tool.Name,
                    behaviour.ToolArguments ?? JsonAnswer.Write(tool.Parameters, behaviour.Json)
                )),
        ];
    }

    private Answer Choose(ChatRequest request, SimBehaviour behaviour)
    {
        if (request.Schema is { } schema && behaviour.Text is null && behaviour.Words is null)
        {
            // Told what is wrong, a model that is only careless does better.
            var how =
                behaviour.Json == SimJson.WrongOnce && request.Messages.Any(message => message.Role == "assistant")
                    ? SimJson.Valid
                    : behaviour.Json;
            return new Answer(JsonAnswer.Write(schema, how));
        }

        return behaviour switch
        {
            { Words: { } words } => Cached(_words, words, Answer.OfWords),
            { Text: { } text } => Cached(_texts, text, text => new Answer(text)),
            _ => new Answer(SimulatedText.AnswerTo(request.Messages)),
        };
    }

    private static Answer Cached<TKey>(ConcurrentDictionary<TKey, Answer> cache, TKey key, Func<TKey, Answer> create)
        where TKey : notnull
    {
        if (cache.TryGetValue(key, out var known))
        {
            return known;
        }

        if (cache.Count >= MaxCached)
        {
            cache.Clear();
        }

        return cache[key] = create(key);
    }
}

/// <summary>An answer, how many of its tokens to send, and the reason to give for stopping there.</summary>
internal sealed record PlannedAnswer(Answer Answer, int Tokens, string FinishReason)
{
    /// <summary>Tools that are asked for.</summary>
    public IReadOnlyList<SimToolCall> ToolCalls { get; init; } = [];

    /// <summary>Tokens that are counted: those of the text, and four characters each of what tools are given.</summary>
    public int CountedTokens => Tokens + ToolCalls.Sum(call => 1 + call.Arguments.Length / 4);
}

/// <summary>A tool that is asked for.</summary>
internal sealed record SimToolCall(string Id, string Name, string Arguments);
