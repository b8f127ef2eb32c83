using AiBackend.Web.Components;
using FsCheck;
using FsCheck.Fluent;

namespace AiBackend.Tests.Web;

/// <summary>What an edit changes, as a reviewer sees it.</summary>
public sealed class LineDiffTests
{
    private static readonly Gen<string> Text = Gen.Elements("a", "b", "c", "").ListOf().Select(lines => string.Join('\n', lines));

    [Fact]
    public void Without_what_comes_it_is_the_old_text_and_without_what_goes_the_new_one() =>
        Prop.ForAll(
                (from old in Text from now in Text select (old, now)).ToArbitrary(),
                given =>
                {
                    var whole = LineDiff.Whole(given.old, given.now);

                    Assert.Equal(given.old, Joined(whole, '+'));
                    Assert.Equal(given.now, Joined(whole, '-'));
                }
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(500));

    [Fact]
    public void One_changed_line_among_many_is_shown_with_what_is_around_it()
    {
        var lines = Enumerable.Range(1, 50).Select(line => $"line {line}").ToList();
        var old = string.Join('\n', lines);
        lines[19] = "other";

        var shown = LineDiff.Of(old, string.Join('\n', lines));

        Assert.Equal(
            [
                "…16 unchanged",
                " line 17",
                " line 18",
                " line 19",
                "-line 20",
                "+other",
                " line 21",
                " line 22",
                " line 23",
                "…27 unchanged",
            ],
            shown.Select(line => line.Sign + line.Text)
        );
    }

    [Fact]
    public void Large_texts_that_have_nothing_in_common_are_compared_at_once_and_shown_in_part()
    {
        var (old, now) = (Lines("old"), Lines("new"));

        var shown = LineDiff.Of(old, now);

        Assert.Equal(LineDiff.Most + 1, shown.Count);
        Assert.Equal(new DiffLine('…', "39600 more"), shown[^1]);

        static string Lines(string word) => string.Join('\n', Enumerable.Range(0, 20_000).Select(line => $"{word} {line}"));
    }

    [Fact]
    public void Equal_texts_change_nothing_whatever_their_line_ends_are() =>
        Assert.DoesNotContain(LineDiff.Of("a\r\nb", "a\nb"), line => line.Sign is '-' or '+');

    private static string Joined(IReadOnlyList<DiffLine> whole, char without) =>
        string.Join('\n', whole.Where(line => line.Sign != without).Select(line => line.Text));
}
