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

    private Answer Choose(ChatRequest request, SimBehaviour behaviour)
    {
        if (request.Schema is { } schema && behaviour.Text is null && behaviour.Words is null)
        {
            return new Answer(JsonAnswer.Write(schema, behaviour.Json));
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
internal sealed record PlannedAnswer(Answer Answer, int Tokens, string FinishReason);
