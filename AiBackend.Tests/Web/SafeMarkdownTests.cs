using AiBackend.Web.Answers;
using AngleSharp.Html.Parser;
using FsCheck;
using FsCheck.Fluent;

namespace AiBackend.Tests.Web;

public sealed class SafeMarkdownTests
{
    [Theory]
    [MemberData(nameof(Corpus))]
    public void U_29_a_50_a_52_and_d_19_nothing_of_a_hostile_text_runs_loads_or_chooses_an_attribute(string text)
    {
        var html = Html(text);

        var body = new HtmlParser().ParseDocument("<body></body>").Body!;
        body.InnerHtml = html;
        foreach (var element in body.QuerySelectorAll("*"))
        {
            Assert.DoesNotContain(
                element.LocalName,
                (string[])["script", "iframe", "img", "svg", "style", "object", "embed", "form", "input"]
            );
            Assert.All(
                element.Attributes,
                attribute => Assert.DoesNotMatch("(?i)^(on|src|srcset|id|name|formaction|xlink)", attribute.Name)
            );
            if (element.GetAttribute("href") is { } address)
            {
                Assert.Matches("^(https://|mailto:)", address);
                Assert.Equal("noopener noreferrer nofollow", element.GetAttribute("rel"));
            }
        }
    }

    public static TheoryData<string> Corpus { get; } = [.. HostileTexts.All];

    [Fact]
    public void U_29_any_mix_of_hostile_pieces_is_as_safe_as_the_pieces() =>
        Prop.ForAll(
                Gen.Elements(HostileTexts.Pieces).ListOf().ToArbitrary(),
                pieces => U_29_a_50_a_52_and_d_19_nothing_of_a_hostile_text_runs_loads_or_chooses_an_attribute(string.Concat(pieces))
            )
            .QuickCheckThrowOnFailure();

    [Fact]
    public void A_link_opens_apart_tells_nobody_and_shows_its_host() =>
        Assert.Equal(
            "<p><a href=\"https://example.com/a\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">bank</a>"
                + "<span class=\"link-host\"> example.com</span></p>",
            Html("[bank](https://example.com/a)").Trim()
        );

    [Theory]
    [InlineData("[x](javascript:alert(1))")]
    [InlineData("[x](&#106;avascript:alert(1))")]
    [InlineData("<javascript:alert(1)>")]
    [InlineData("[x][r]\n\n[r]: vbscript:x")]
    [InlineData("[x](https://bank.example@evil.example/)")]
    [InlineData("[x](data:text/html,hi)")]
    [InlineData("[x](//evil.example)")]
    [InlineData("[x](/runs)")]
    public void A_51_and_d_19_an_address_that_is_not_allowed_leaves_its_label_and_says_so(string text)
    {
        var html = Html(text);

        Assert.DoesNotContain("<a ", html, StringComparison.Ordinal);
        Assert.Contains("(link removed)", html, StringComparison.Ordinal);
    }

    [Fact]
    public void A_host_in_look_alike_letters_is_shown_in_its_ascii_form() =>
        Assert.Contains("xn--", Html("[apple](https://аpple.com/)"), StringComparison.Ordinal);

    [Fact]
    public void A_51_a_picture_becomes_a_link_and_is_not_loaded()
    {
        var html = Html("![a cat](https://example.com/cat.png)");

        Assert.DoesNotContain("<img", html, StringComparison.Ordinal);
        Assert.Contains("Image: a cat", html, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a\u202Eb", "U+202E")]
    [InlineData("a&#x202E;b", "U+202E")]
    [InlineData("a\u2066b", "U+2066")]
    [InlineData("a\u200Bb", "U+200B")]
    [InlineData("a\U000E0041b", "U+E0041")]
    [InlineData("a\u001B[31mb", "\u241B")]
    public void Characters_that_steer_the_display_are_made_visible(string text, string shown) =>
        Assert.Contains(shown, Html(text), StringComparison.Ordinal);

    [Theory]
    [InlineData("a\u202Eb", "U+202E")]
    [InlineData("a\u0085b", "U+0085")]
    [InlineData("a\U000E0041b", "U+E0041")]
    [InlineData("a\u001B[31mb", "\u241B")]
    [InlineData("<a&\"b>", "&lt;a&amp;&quot;b&gt;")]
    public void U_29_in_a_plain_block_as_well(string text, string shown) =>
        Assert.Contains(shown, SafeMarkdown.Plain(text).Html, StringComparison.Ordinal);

    [Fact]
    public void Half_a_tag_character_is_shown_as_what_it_is() =>
        Assert.Contains("U+DB40", SafeMarkdown.Plain("a" + (char)0xDB40 + "b").Html, StringComparison.Ordinal);

    [Fact]
    public void Ordinary_marks_stay_what_they_are()
    {
        var html = Html("# A\n\n- one\n- [x] two\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n```cs\nx < y\n```\n\n~~old~~ **new** 👩‍💻");

        Assert.Contains("<h3>A</h3>", html, StringComparison.Ordinal);
        Assert.Contains("aria-label=\"done\"", html, StringComparison.Ordinal);
        Assert.Contains("<table>", html, StringComparison.Ordinal);
        Assert.Contains("x &lt; y", html, StringComparison.Ordinal);
        Assert.Contains("<del>old</del> <strong>new</strong> 👩‍💻", html, StringComparison.Ordinal);
    }

    [Fact]
    public void Text_that_defeats_the_parser_is_left_to_be_shown_plainly() => Assert.Null(SafeMarkdown.TryRender(new string('>', 20_000)));

    private static string Html(string text) =>
        SafeMarkdown.TryRender(text) is { } blocks ? string.Concat(blocks.Select(each => each.Block.Html)) : SafeMarkdown.Plain(text).Html;
}
