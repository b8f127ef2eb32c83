namespace AiBackend.Core.Knowledge;

/// <summary>Where a passage is.</summary>
internal readonly record struct PassagePlace(Guid DocumentId, int Version, int N);

/// <summary>Of passages that go by, the closest to a question.</summary>
/// <param name="most">How many are kept.</param>
/// <param name="least">How close they must be.</param>
internal sealed class ClosestPassages(int most, double least)
{
    private readonly PriorityQueue<PassagePlace, double> _kept = new(most + 1);

    /// <summary>How many went by.</summary>
    public int Compared { get; private set; }

    public void Add(PassagePlace place, float[] vector, float[] question)
    {
        // Made when the model was asked for vectors of another length, and not made anew yet.
        if (vector.Length != question.Length)
        {
            return;
        }

        Compared++;
        var similarity = Similarity.Dot(vector, question);
        if (similarity >= least)
        {
            _kept.Enqueue(place, similarity);
            if (_kept.Count > most)
            {
                _kept.Dequeue();
            }
        }
    }

    /// <returns>The closest first.</returns>
    public IReadOnlyList<PassagePlace> InOrder() =>
        [.. _kept.UnorderedItems.OrderByDescending(item => item.Priority).Select(item => item.Element)];
}
