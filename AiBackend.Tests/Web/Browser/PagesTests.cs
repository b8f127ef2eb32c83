using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;
using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;

namespace AiBackend.Tests.Web.Browser;

/// <summary>Every page in every dress: contrast, names, widths, motion.</summary>
[Collection(StackCollection.Name)]
public sealed class PagesTests(StackFixture stack, BrowserFixture browser) : IClassFixture<BrowserFixture>
{
    internal static AxeRunOptions Wcag { get; } =
        new()
        {
            RunOnly = new RunOnlyOptions { Type = "tag", Values = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"] },
        };

    private readonly JobClient _jobs = new(stack.Stack);

    public static TheoryData<string> Pages { get; } =
    [
        "/ask",
        "/runs",
        "/runs?status=stopped",
        "done",
        "writing",
        "failed",
        "/ops",
        "/models",
        "/costs",
        "/dead-letters",
        "/prompts",
        "/workflows",
        "workflow",
        "/webhooks",
        "/keys",
        "/users",
        "letters",
        "/reviews",
        "review",
        "/nowhere",
    ];

    [Theory]
    [MemberData(nameof(Pages))]
    public async Task U_10_U_15_axe_finds_nothing_on_any_page_in_light_and_dark_and_none_is_wider_than_its_window(string page)
    {
        var path = await PathOfAsync(page);
        // Colours that are on their way from one scheme to the other are nobody's.
        await using var visit = await BeginAsync(options => options.ReducedMotion = ReducedMotion.Reduce);
        await visit.OpenAsync(path);
        await SettleAsync(visit.Page, page);
        foreach (var scheme in (ColorScheme[])[ColorScheme.Light, ColorScheme.Dark])
        {
            await visit.Page.EmulateMediaAsync(new() { ColorScheme = scheme });

            var result = await visit.Page.RunAxe(Wcag);

            Assert.Empty(
                result.Violations.Select(found => $"{scheme}: {found.Id}: {string.Join(" | ", found.Nodes.Select(node => node.Html))}")
            );
        }

        foreach (var width in (int[])[320, 375, 768, 1280, 1920])
        {
            await visit.Page.SetViewportSizeAsync(width, 800);

            var wide = await visit.Page.EvaluateAsync<int>("document.documentElement.scrollWidth");
            Assert.True(wide <= width, $"{path} is {wide} px wide in a window of {width} px");
        }

        visit.AssertClean();
    }

    [Fact]
    public async Task U_15_on_a_phone_the_navigation_is_a_drawer_that_takes_and_returns_the_focus()
    {
        await using var visit = await BeginAsync(options => options.ViewportSize = new() { Width = 375, Height = 740 });
        await visit.OpenAsync("/runs");
        var open = visit.Page.GetByRole(AriaRole.Button, new() { Name = "Open navigation" });
        Assert.False(await visit.Page.Locator("#nav").IsVisibleAsync());

        await open.ClickAsync();
        await visit.Page.Locator("#nav").WaitForAsync();
        // The focus follows the drawer; it does not move in the same instant.
        await visit.Page.WaitForFunctionAsync("document.getElementById('nav').contains(document.activeElement)");
        await visit.Page.Keyboard.PressAsync("Escape");

        await visit.Page.Locator("#nav").WaitForAsync(new() { State = WaitForSelectorState.Hidden });
        await visit.Page.WaitForFunctionAsync("document.activeElement?.dataset.drawer === 'open'");
        visit.AssertClean();
    }

    [Theory]
    [InlineData("/ask")]
    [InlineData("/runs")]
    [InlineData("writing")]
    [InlineData("/ops")]
    [InlineData("/costs")]
    [InlineData("letters")]
    [InlineData("review")]
    [InlineData("workflow")]
    public async Task U_11_every_control_is_reached_by_tab_and_shows_that_it_is(string page)
    {
        var path = await PathOfAsync(page);
        await using var visit = await BeginAsync();
        await visit.OpenAsync(path);
        await SettleAsync(visit.Page, page);
        await visit.Page.EvaluateAsync("document.activeElement.blur()");
        var controls = await visit.Page.EvaluateAsync<int>(
            """
            [...document.querySelectorAll('a[href], button:not(:disabled, [tabindex="-1"]), select, textarea, [tabindex="0"], input:checked')]
              .filter(each => each.checkVisibility({ visibilityProperty: true })).map((each, at) => each.dataset.stop = at).length
            """
        );

        // Noted as it happens: a look after each key may come late where text is written all the time.
        await visit.Page.EvaluateAsync(
            """
            () => {
              const shown = each => { const style = getComputedStyle(each); return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0; };
              window.stops = [];
              document.addEventListener('focusin', ({ target: at }) => {
                if (!at.dataset.stop) return;
                window.stops.push(shown(at) || (at.nextElementSibling && shown(at.nextElementSibling)) ? at.dataset.stop : 'no outline: ' + at.outerHTML);
              });
            }
            """
        );
        for (var tab = 0; tab < controls + 5; tab++)
        {
            await visit.Page.Keyboard.PressAsync("Tab");
        }

        var reached = await visit.Page.EvaluateAsync<string[]>("window.stops");
        Assert.DoesNotContain(reached, stop => stop.StartsWith("no outline", StringComparison.Ordinal));

        // What a refresh has taken away meanwhile cannot be reached; whatever is left has been.
        var left = await visit.Page.EvaluateAsync<string[]>(
            """
            [...document.querySelectorAll('[data-stop]:not(:disabled)')]
              .filter(each => each.checkVisibility({ visibilityProperty: true })).map(each => each.dataset.stop + ' ' + each.outerHTML)
            """
        );
        Assert.NotEmpty(left);
        Assert.DoesNotContain(left, each => !reached.Contains(each[..each.IndexOf(' ', StringComparison.Ordinal)]));
        visit.AssertClean();
    }

    [Fact]
    public async Task U_17_who_asks_for_less_motion_gets_none()
    {
        var path = await PathOfAsync("writing");
        await using var visit = await BeginAsync(options => options.ReducedMotion = ReducedMotion.Reduce);
        await visit.OpenAsync(path);
        await SettleAsync(visit.Page, "writing");

        Assert.Empty(
            await visit.Page.EvaluateAsync<string[]>(
                """
                [...document.querySelectorAll('*')].flatMap(element => [null, '::before', '::after'].map(part => {
                  const style = getComputedStyle(element, part);
                  const moves = style.animationName !== 'none' || style.transitionDuration.split(', ').some(time => parseFloat(time) > 0);
                  return moves ? element.localName + '.' + element.className + (part ?? '') : null;
                })).filter(Boolean)
                """
            )
        );
        visit.AssertClean();
    }

    [Fact]
    public async Task U_18_the_chosen_theme_survives_a_reload_from_the_first_paint()
    {
        await using var visit = await BeginAsync(options => options.ColorScheme = ColorScheme.Light);
        await visit.OpenAsync("/runs");
        Assert.Equal("light", await SchemeAsync(visit.Page));

        await visit.Page.GetByRole(AriaRole.Radio, new() { Name = "Dark" }).CheckAsync(new() { Force = true });
        Assert.Equal("dark", await SchemeAsync(visit.Page));
        await visit.Page.ReloadAsync(new() { WaitUntil = WaitUntilState.Commit });
        await visit.Page.Locator("body").WaitForAsync();

        Assert.Equal("dark", await SchemeAsync(visit.Page));
        await visit.Page.Locator("main[data-interactive]").WaitForAsync();
        Assert.True(await visit.Page.GetByRole(AriaRole.Radio, new() { Name = "Dark" }).IsCheckedAsync());
        visit.AssertClean();
    }

    [Fact]
    public async Task U_19_times_are_those_of_the_readers_zone()
    {
        var path = await PathOfAsync("done");
        await using var visit = await BeginAsync(options => options.TimezoneId = "Asia/Tokyo");
        await visit.OpenAsync(path);
        await visit.OpenAsync(path);

        var time = visit.Page.Locator(".facts time");
        var instant = DateTimeOffset.Parse((await time.GetAttributeAsync("datetime"))!, System.Globalization.CultureInfo.InvariantCulture);

        Assert.StartsWith(
            instant.ToOffset(TimeSpan.FromHours(9)).ToString("yyyy-MM-dd HH:mm:ss", System.Globalization.CultureInfo.InvariantCulture),
            await time.GetAttributeAsync("title"),
            StringComparison.Ordinal
        );
        visit.AssertClean();
    }

    [Fact]
    public async Task The_overview_shows_every_part_of_the_stack_healthy()
    {
        await using var visit = await BeginAsync();
        await visit.OpenAsync("/ops");

        foreach (var resource in (string[])["web", "api", "postgres", "redis", "worker"])
        {
            await visit.Page.Locator($"[data-resource={resource}] [data-status=healthy]").WaitForAsync();
        }

        await Assertions.Expect(visit.Page.Locator("[data-live]")).ToContainTextAsync("Live");
        visit.AssertClean();
    }

    private Task<Visit> BeginAsync(Action<BrowserNewContextOptions>? configure = null) =>
        Visit.BeginAsync(browser.Browser, stack.Stack.WebAddress, configure);

    private async Task<string> PathOfAsync(string page) =>
        page switch
        {
            "done" => $"/runs/{(await _jobs.EndAsync(await _jobs.SubmitAsync("sim-fast", "Everything a page can show."))).Id}",
            "failed" => $"/runs/{(await _jobs.EndAsync(await _jobs.SubmitAsync(await stack.Stack.TeachRefusalAsync()))).Id}",
            "letters" => await LettersPathAsync(),
            "review" => $"/reviews/{await stack.Stack.AskForReviewAsync()}-1",
            "workflow" => await stack.Stack.AddWorkflowAsync(),
            "writing" => $"/runs/{await _jobs.SubmitAsync(await _jobs.TeachWordsAsync(600, intervalMs: 200))}",
            _ => page,
        };

    /// <summary>A group of dead letters; the general page of them shows one more group then.</summary>
    private async Task<string> LettersPathAsync()
    {
        await _jobs.EndAsync(await _jobs.SubmitAsync(await stack.Stack.TeachRefusalAsync(status: 403), "A letter that a page can show."));
        var groups = await Eventually.GetAsync(
            async cancellationToken =>
                JsonSerializer
                    .Deserialize(
                        await stack.Stack.Api.GetByteArrayAsync("/api/v1/dead-letters?code=provider_auth", cancellationToken),
                        WireJson.Default.DeadLetterGroupPage
                    )!
                    .Data,
            groups => groups.Count > 0,
            "the letter is in a group",
            TimeSpan.FromSeconds(30)
        );
        return $"/dead-letters/{groups[0].Fingerprint}";
    }

    private static async Task SettleAsync(IPage page, string which)
    {
        if (which is "done" or "failed")
        {
            await Visit.CompleteAsync(page);
        }
        else if (which is "writing")
        {
            await page.Locator(".writing").WaitForAsync();
        }
        else if (which is "review")
        {
            await page.Locator("[data-claim]").WaitForAsync();
        }
        else if (which is "letters")
        {
            await page.Locator("[data-replay-all] button:not(:disabled)").First.WaitForAsync();
        }
    }

    private static Task<string> SchemeAsync(IPage page) =>
        page.EvaluateAsync<string>("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0] < 128 ? 'dark' : 'light'");
}
