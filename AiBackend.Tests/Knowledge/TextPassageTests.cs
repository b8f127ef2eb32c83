using AiBackend.Core.Knowledge;

namespace AiBackend.Tests.Knowledge;

/// <summary>How texts are cut.</summary>
public sealed class TextPassageTests
{
    [Fact]
    public void Every_word_of_a_text_is_in_exactly_one_passage_and_none_is_too_long()
    {
        for (var seed = 1; seed <= 300; seed++)
        {
            var random = new Random(seed);
            string[] breaks = [" ", ". ", "\n", "\r\n", "\n\n", "\n# ", "  "];
            var words = Enumerable.Range(0, random.Next(1, 2000)).Select(number => $"w{number}😀").ToList();
            var text = string.Concat(words.Select(word => word + breaks[random.Next(breaks.Length)]));

            var passages = TextPassages.Of(text);

            Assert.All(passages, passage => Assert.InRange(passage.Length, 1, TextPassages.MaxLength));
            Assert.Equal(words, passages.SelectMany(Words).Where(word => word.StartsWith('w')));
        }
    }

    [Fact]
    public void A_word_without_an_end_is_cut_between_characters()
    {
        var passages = TextPassages.Of(string.Concat(Enumerable.Repeat("😀", 3000)));

        Assert.All(passages, passage => Assert.Equal(0, passage.Length % 2));
        Assert.Equal(6000, passages.Sum(passage => passage.Length));
    }

    [Fact]
    public void A_text_is_cut_where_a_paragraph_ends()
    {
        var (first, second) = (new string('a', 900), new string('b', 900));

        Assert.Equal([first, second], TextPassages.Of($"{first}\n\n{second}"));
    }

    private static IEnumerable<string> Words(string passage) =>
        passage.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries).Select(word => word.TrimEnd('.'));
}
