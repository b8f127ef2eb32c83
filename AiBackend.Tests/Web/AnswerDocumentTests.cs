using System.Diagnostics;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Tests.Fixtures;
using AiBackend.Web.Answers;
using AiBackend.Web.Runs;
using FsCheck;
using FsCheck.Fluent;

namespace AiBackend.Tests.Web;

public sealed class AnswerDocumentTests
{
    private static readonly Gen<string> Pieces = Gen.Elements(
        "# Heading\n",
        "A paragraph with *some* words. ",
        "\n",
        "\n\n",
        "- item\n",
        "  - inner\n",
        "1. first\n",
        "> quote\n",
        "```\n",
        "code < here\n",
        "| a | b |\n|---|---|\n| 1 | 2 |\n",
        "---\n",
        "    indented\n",
        "===\n",
        "\t",
        "[x](https://example.com) ",
        "\r\n"
    );

    [Fact]
    public void An_answer_rendered_as_it_grew_is_the_answer_rendered_at_once() =>
        Prop.ForAll(
                Gen.Zip(Pieces.ListOf(), Gen.Choose(0, int.MaxValue)).ToArbitrary(),
                both =>
                {
                    var (pieces, seed) = both;
                    var text = string.Concat(pieces);

                    Assert.Equal(Rendered(text, 1), Rendered(text, new Random(seed).Next(2, 40)));
                }
            )
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Settled_blocks_keep_their_markup_while_the_last_one_grows()
    {
        var (fold, document) = (new RunFold(), new AnswerDocument(new FakeTime()));
        Append(fold, "one\n\ntwo");
        var before = document.Update(fold, isComplete: false);

        Append(fold, " and more");
        var after = document.Update(fold, isComplete: false);

        Assert.Same(before[0], after[0]);
        Assert.True(after[0].Settled);
        Assert.Equal(("<p>two and more</p>", false), (after[1].Html.Trim(), after[1].Settled));
    }

    [Fact]
    public void A_text_that_was_replaced_starts_from_nothing()
    {
        var (fold, document) = (new RunFold(), new AnswerDocument(new FakeTime()));
        Append(fold, "one\n\ntwo\n\nthree");
        document.Update(fold, isComplete: false);

        fold.Apply(new RunEvent(fold.LastSeq + 1, new DeltaEvent(2, "again")));

        Assert.Equal("<p>again</p>", Assert.Single(document.Update(fold, isComplete: false)).Html.Trim());
    }

    [Fact]
    public void A_definition_at_the_end_reaches_the_links_before_it_once_the_text_is_finished()
    {
        var (fold, document) = (new RunFold(), new AnswerDocument(new FakeTime()));
        Append(fold, "See [the page][p].\n\nMore.\n\n");
        document.Update(fold, isComplete: false);
        Append(fold, "[p]: https://example.com/");

        var blocks = document.Update(fold, isComplete: true);

        Assert.Contains("href=\"https://example.com/\"", blocks[0].Html, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1, '>')]
    [InlineData(1, '[')]
    [InlineData(1, 'x')]
    [InlineData(3, '*')]
    public void U_27_a_megabyte_in_one_block_is_shown_plainly_and_soon(int wide, char mark)
    {
        var (fold, document) = (new RunFold(), new AnswerDocument(TimeProvider.System));
        var text = string.Concat(Enumerable.Repeat(new string(mark, wide) + (wide > 1 ? "a" : ""), 1_000_000 / wide));
        var watch = Stopwatch.StartNew();

        for (var at = 0; at < text.Length; at += 50_000)
        {
            Append(fold, text.Substring(at, Math.Min(50_000, text.Length - at)));
            document.Update(fold, isComplete: false);
        }

        var blocks = document.Update(fold, isComplete: true);

        Assert.Equal(text, string.Concat(blocks.Select(block => block.Plain)));
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(20));
    }

    [Theory]
    [InlineData("nested list")]
    [InlineData("emphasis")]
    [InlineData("links")]
    public void A_54_text_made_to_burn_the_parser_is_shown_plainly_and_soon(string kind)
    {
        var text = kind switch
        {
            "nested list" => string.Concat(Enumerable.Range(0, 2_000).Select(depth => new string(' ', 2 * depth) + "- x\n")),
            "emphasis" => string.Concat(Enumerable.Repeat("*a **b ", 10_000)),
            _ => string.Concat(Enumerable.Repeat("[a](", 250_000)),
        };
        var (fold, document) = (new RunFold(), new AnswerDocument(TimeProvider.System));
        Append(fold, text);
        var watch = Stopwatch.StartNew();

        var blocks = document.Update(fold, isComplete: true);

        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(20));
        Assert.Contains(blocks, block => block.Plain is { Length: > 0 });
        Assert.True(blocks.Sum(block => block.Plain?.Length ?? 0) > text.Length / 4);
    }

    [Fact]
    public void A_long_answer_of_ordinary_blocks_stays_rich_to_its_limit()
    {
        var (fold, document) = (new RunFold(), new AnswerDocument(new FakeTime()));
        Append(fold, string.Concat(Enumerable.Repeat("A paragraph of *ordinary* length.\n\n", 5_000)));

        var blocks = document.Update(fold, isComplete: true);

        Assert.Equal(5_000, blocks.Length);
        Assert.All(blocks, block => Assert.Contains("<em>ordinary</em>", block.Html, StringComparison.Ordinal));
    }

    private static string Rendered(string text, int steps)
    {
        var (fold, document) = (new RunFold(), new AnswerDocument(new FakeTime()));
        var size = Math.Max(text.Length / steps, 1);
        for (var at = 0; at < text.Length; at += size)
        {
            Append(fold, text.Substring(at, Math.Min(size, text.Length - at)));
            document.Update(fold, isComplete: false);
        }

        return string.Concat(document.Update(fold, isComplete: true).Select(block => block.Html));
    }

    private static void Append(RunFold fold, string text) => fold.Apply(new RunEvent(fold.LastSeq + 1, new DeltaEvent(1, text)));
}
