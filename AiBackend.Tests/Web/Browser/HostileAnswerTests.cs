using AiBackend.Tests.EndToEnd;
using Microsoft.Playwright;

namespace AiBackend.Tests.Web.Browser;

/// <summary>An answer that attacks its reader, in a real browser behind the real content security policy.</summary>
[Collection(StackCollection.Name)]
public sealed class HostileAnswerTests(StackFixture stack, BrowserFixture browser) : IClassFixture<BrowserFixture>
{
    /// <summary>The parser's own breaking points are tried without a browser; here is what a browser could be fooled by.</summary>
    private static readonly string Attack =
        string.Join("\n\n", HostileTexts.Pieces.Where(piece => !piece.Contains('\0', StringComparison.Ordinal))) + "\n\nThe end.";

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task U_29_a_50_a_51_and_a_52_a_hostile_answer_runs_nothing_loads_nothing_and_leaves_the_page_alive(bool whileWritten)
    {
        var jobs = new JobClient(stack.Stack);
        var run = await jobs.SubmitAsync(await stack.Stack.TeachTextAsync(Attack, whileWritten ? 10 : 0));
        if (!whileWritten)
        {
            await jobs.EndAsync(run);
        }

        await using var visit = await Visit.BeginAsync(browser.Browser, stack.Stack.WebAddress);
        await visit.OpenAsync(run);
        await Visit.CompleteAsync(visit.Page);

        Assert.EndsWith("The end.", await Visit.AnswerAsync(visit.Page), StringComparison.Ordinal);
        Assert.Null(await visit.Page.EvaluateAsync<string?>("window.hit === undefined ? null : 'hit'"));
        Assert.Empty(
            await visit.Page.EvaluateAsync<string[]>(
                """
                [...document.querySelectorAll('[data-answer] *')].flatMap(element => [
                  ...[...element.attributes].filter(each => /^(on|src|id$|name$|srcdoc|formaction)/i.test(each.name)).map(each => each.name),
                  ...(/^(script|iframe|img|svg|style|object|embed|form|input|link|meta|base)$/.test(element.localName) ? [element.localName] : []),
                  ...(element.localName === 'a' && !/^(https:|mailto:)/.test(element.href) ? [element.href] : []),
                  ...(element.localName === 'a' && element.rel !== 'noopener noreferrer nofollow' ? ['rel ' + element.rel] : []),
                ])
                """
            )
        );
        Assert.True(await visit.Page.GetByText("U+202E").First.IsVisibleAsync());
        await visit.Page.GetByRole(AriaRole.Link, new() { Name = "My runs" }).ClickAsync();
        await visit.Page.GetByRole(AriaRole.Heading, new() { Name = "My runs" }).WaitForAsync();
        visit.AssertClean();
    }

    [Fact]
    public async Task U_29_a_line_of_a_hundred_kilobytes_wraps_and_leaves_the_page_alive()
    {
        var jobs = new JobClient(stack.Stack);
        var run = await jobs.SubmitAsync(await stack.Stack.TeachTextAsync(new string('x', 100_000), intervalMs: 0));
        await using var visit = await Visit.BeginAsync(browser.Browser, stack.Stack.WebAddress);
        await visit.OpenAsync(run);

        await Visit.CompleteAsync(visit.Page);

        Assert.Equal(100_000, (await Visit.AnswerAsync(visit.Page)).Replace(" ", "", StringComparison.Ordinal).Length);
        Assert.True(await visit.Page.EvaluateAsync<bool>("document.documentElement.scrollWidth <= innerWidth"));
        visit.AssertClean();
    }
}
