using AiBackend.Web.Answers;

namespace AiBackend.Tests.Web;

/// <summary>The last wall on its own: as if parser and renderers had let everything through.</summary>
public sealed class AllowedHtmlTests
{
    [Theory]
    [InlineData("<script>x</script>")]
    [InlineData("<p onclick=\"x\">a</p>")]
    [InlineData("<p style=\"position:fixed\">a</p>")]
    [InlineData("<p id=\"app\">a</p>")]
    [InlineData("<img src=\"https://evil.example\">")]
    [InlineData("<svg><a href=\"https://x.example\">a</a></svg>")]
    [InlineData("<a href=\"javascript:x\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">a</a>")]
    [InlineData("<a href=\" javascript:x\">a</a>")]
    [InlineData("<a href=\"https://a.example\" target=\"_top\">a</a>")]
    [InlineData("<a href=\"https://a.example\" rel=\"opener\">a</a>")]
    [InlineData("<span class=\"rz-dialog\">a</span>")]
    [InlineData("<table><tr><td style=\"text-align: right; background: url(//evil.example)\">a</td></tr></table>")]
    [InlineData("<iframe srcdoc=\"x\"></iframe>")]
    [InlineData("<math><mtext><p>a</p></mtext></math>")]
    [InlineData("<!-- comment -->")]
    [InlineData("<input type=\"checkbox\">")]
    [InlineData("<template><p>a</p></template>")]
    public void What_is_not_listed_is_refused(string html) => Assert.Null(new AllowedHtml().TextWhenAllowed("<p>before</p>" + html));

    [Fact]
    public void What_is_listed_gives_its_text() =>
        Assert.Equal(
            "a b c",
            new AllowedHtml().TextWhenAllowed(
                "<p>a <em>b</em> <a href=\"https://x.example/\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">c</a></p>"
            )
        );

    [Fact]
    public void One_judge_forgets_the_text_before()
    {
        var allowed = new AllowedHtml();
        allowed.TextWhenAllowed("<script>x</script>");

        Assert.Equal("fine", allowed.TextWhenAllowed("<p>fine</p>"));
    }
}
