using AiBackend.ApiContracts.Knowledge;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Knowledge;

/// <summary>Finds passages by their words and, where a model makes vectors, by what they mean.</summary>
/// <remarks>Words are always there: what keeps vectors from being made or compared makes an answer poorer, and never fails it.</remarks>
public sealed class KnowledgeSearch(
    KnowledgeStore store,
    KnowledgeVectors vectors,
    ITextVectors texts,
    IOptions<KnowledgeOptions> options,
    TimeProvider clock
)
{
    // What is far down in both lists may still be near the top of the merged one.
    private const int Candidates = 50;

    // The usual constant of reciprocal rank fusion: the first places of a list count for more, but not for everything.
    private const int Damping = 60;

    /// <summary>How long a question may take to become a vector before it is answered by words alone, and for whoever has less time than that, less.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>How long nobody else waits as long, or less, for a model that one has waited for in vain. A call that was given up is no failure that its breaker learns of.</summary>
    private static readonly TimeSpan WordsAlone = TimeSpan.FromSeconds(30);

    private Silence? _silence;

    /// <param name="asker">Who looks, and pays for the question's vector.</param>
    /// <param name="collection">Where.</param>
    /// <param name="query">For what, checked.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Passages, best first, and how they were found.</returns>
    public async Task<KnowledgePassages> RunAsync(
        KnowledgeAsker asker,
        string collection,
        KnowledgeQuery query,
        CancellationToken cancellationToken
    )
    {
        var limit = query.Limit ?? KnowledgeStore.DefaultLimit;
        var (question, reason) = await AskAsync(asker, collection, query.Query!, cancellationToken);
        if (question is null)
        {
            var found = await store.SearchAsync(asker.TenantId, collection, query, cancellationToken);
            return new(found, new(KnowledgeModes.Text, reason, Model: null, Compared: 0));
        }

        var closest = new ClosestPassages(Candidates, options.Value.MinSimilarity);
        var byWords = await store.SearchAsync(asker.TenantId, collection, query with { Limit = Candidates }, cancellationToken);
        var (byMeaning, compared) = await vectors.FindClosestAsync(
            asker.TenantId,
            collection,
            query,
            question,
            closest,
            options.Value.MaxCompared,
            cancellationToken
        );
        return new([.. Merge(byWords, byMeaning).Take(limit)], new(KnowledgeModes.Hybrid, Reason: null, question.Model, compared));
    }

    /// <summary>The question as a vector, or why it is none. Nobody is asked, and paid, where there is nothing to compare it with.</summary>
    private async Task<(VectorsMade.Made? Question, string? Reason)> AskAsync(
        KnowledgeAsker asker,
        string collection,
        string query,
        CancellationToken cancellationToken
    )
    {
        if (texts.Model is not { } model)
        {
            return (null, KnowledgeReasons.NoModel);
        }

        if (string.IsNullOrWhiteSpace(query) || !await vectors.AnyAsync(asker.TenantId, collection, model, cancellationToken))
        {
            return (null, KnowledgeReasons.NoVectors);
        }

        var most = asker.Patience is { } own && own < Patience ? own : Patience;
        if (Volatile.Read(ref _silence) is { } silence && clock.GetUtcNow() < silence.Until && most <= silence.Waited)
        {
            return (null, KnowledgeReasons.Provider);
        }

        var begun = clock.GetTimestamp();
        using var patience = new CancellationTokenSource(most, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
        try
        {
            switch (await texts.MakeAsync(asker with { Waits = true }, [query], either.Token))
            {
                case VectorsMade.Made made:
                    Heard(clock.GetElapsedTime(begun));
                    return (made, null);
                case VectorsMade.Refused refused:
                    return (null, refused.Reason);
                default:
                    return (null, KnowledgeReasons.Provider);
            }
        }
        catch (OperationCanceledException)
        {
            // Whoever's own time was up first has waited in vain as well: a caller that goes away at once says nothing of anybody who has longer.
            WaitedInVain(patience.IsCancellationRequested ? most : clock.GetElapsedTime(begun));
            cancellationToken.ThrowIfCancellationRequested();
            return (null, KnowledgeReasons.Provider);
        }
    }

    private void WaitedInVain(TimeSpan waited)
    {
        var now = clock.GetUtcNow();
        if (Volatile.Read(ref _silence) is not { } known || known.Until <= now || known.Waited <= waited)
        {
            Volatile.Write(ref _silence, new(now + WordsAlone, waited));
        }
    }

    /// <summary>Whoever asked just before the slow one and was answered says that the model is not silent for all; one that took longer does not.</summary>
    private void Heard(TimeSpan took)
    {
        if (Volatile.Read(ref _silence) is { } silence && took <= silence.Waited)
        {
            Volatile.Write(ref _silence, null);
        }
    }

    /// <summary>By the places they have in both lists, whose scores cannot be compared: reciprocal rank fusion.</summary>
    internal static IEnumerable<KnowledgePassage> Merge(
        IReadOnlyList<KnowledgePassage> byWords,
        IReadOnlyList<KnowledgePassage> byMeaning
    ) =>
        byWords
            .Index()
            .Concat(byMeaning.Index())
            .GroupBy(found => (found.Item.Document, found.Item.Chunk))
            .Select(group => group.First().Item with { Score = group.Sum(found => 1.0 / (Damping + found.Index + 1)) })
            .OrderByDescending(passage => passage.Score)
            .ThenBy(passage => passage.Document)
            .ThenBy(passage => passage.Chunk);

    /// <summary>That a model was waited for in vain.</summary>
    /// <param name="Until">When it is asked again all the same.</param>
    /// <param name="Waited">For how long; whoever has more time may have an answer.</param>
    private sealed record Silence(DateTimeOffset Until, TimeSpan Waited);
}
