using AiBackend.ApiContracts.Knowledge;
using AiBackend.Core.Knowledge;

namespace AiBackend.Tests.Knowledge;

/// <summary>Which passages are the closest, and how two lists become one.</summary>
public sealed class ClosestPassagesTests
{
    private static readonly Guid[] Ids = [.. Enumerable.Range(0, 4).Select(i => new Guid(i, 0, 0, new byte[8]))];

    [Fact]
    public void The_closest_are_kept_in_order_and_what_is_too_far_or_of_another_length_is_not()
    {
        var closest = new ClosestPassages(most: 2, least: 0.5);
        float[] question = [1, 0];
        float[][] vectors =
        [
            [0.6f, 0.8f],
            [1, 0],
            [0.8f, 0.6f],
            [0, 1],
            [1, 0, 0],
        ];

        for (var i = 0; i < vectors.Length; i++)
        {
            closest.Add(new(Ids[0], 1, i), vectors[i], question);
        }

        Assert.Equal([1, 2], closest.InOrder().Select(place => place.N));
        Assert.Equal(4, closest.Compared);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(64)]
    [InlineData(1537)]
    public void The_cosine_of_vectors_of_any_length_is_what_it_is_by_hand(int length)
    {
        var random = new Random(length);
        var left = Enumerable.Range(0, length).Select(_ => (float)(random.NextDouble() - 0.3)).ToArray();
        var right = left.Select(number => number * 2 + (float)random.NextDouble()).ToArray();
        var byHand =
            left.Zip(right, (one, other) => (double)one * other).Sum()
            / Math.Sqrt(left.Sum(number => (double)number * number))
            / Math.Sqrt(right.Sum(number => (double)number * number));

        Assert.Equal(byHand, Similarity.Dot(Similarity.OfLengthOne(left), Similarity.OfLengthOne(right)), 4);
        Assert.Equal(0, Similarity.Dot(Similarity.OfLengthOne(new float[length]), Similarity.OfLengthOne(left)), 4);
    }

    [Fact]
    public void What_both_lists_have_comes_before_what_one_has_and_each_passage_once()
    {
        KnowledgePassage Passage(int id) => new(Ids[id], "s", "t", DateTimeOffset.UnixEpoch, 0, "x", 9);

        var merged = KnowledgeSearch.Merge([Passage(0), Passage(1), Passage(2)], [Passage(3), Passage(2)]).ToList();

        Assert.Equal([Ids[2], Ids[0], Ids[3], Ids[1]], merged.Select(passage => passage.Document));
        Assert.Equal([1.0 / 63 + 1.0 / 62, 1.0 / 61, 1.0 / 61, 1.0 / 62], merged.Select(passage => passage.Score));
    }
}
