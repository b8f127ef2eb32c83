using Microsoft.Playwright;

namespace AiBackend.Tests.Web.Browser;

/// <summary>What a text of others would have become part of, had a page taken it for markup.</summary>
internal static class InjectedMarkup
{
    /// <summary>Attributes that run something, and elements that load something or that the site does not use.</summary>
    private const string Find = """
        [...document.querySelectorAll('body *, title *')].flatMap(element => [
          ...[...element.attributes].filter(each => /^(on|srcdoc$|formaction$)/i.test(each.name)).map(each => each.name),
          ...(element.closest('main, nav, title') && /^(script|iframe|img|object|embed|meta|base|style|link)$/.test(element.localName) ? [element.localName] : []),
          ...(element.localName === 'a' && !/^https?:/.test(element.href) ? [element.href] : []),
        ])
        """;

    /// <summary>Nothing of a text ran, loads anything, or is an attribute.</summary>
    public static async Task AssertNoneAsync(IPage page)
    {
        Assert.Null(await page.EvaluateAsync<string?>("window.hit === undefined ? null : 'hit'"));
        Assert.Empty(await page.EvaluateAsync<string[]>(Find));
    }
}
