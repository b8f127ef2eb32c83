using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using Microsoft.Playwright;

namespace AiBackend.Tests.Web.Browser;

/// <summary>One reader with a browser of their own. Everything that goes wrong in it is kept, and none of it is allowed (U-60).</summary>
internal sealed partial class Visit : IAsyncDisposable
{
    /// <summary>Violations of the policy and parts of a page that broke become errors of the console, which are watched.</summary>
    private const string TellFaults = """
        document.addEventListener('securitypolicyviolation', e => console.error('content security policy: ' + e.violatedDirective + ' ' + e.blockedURI));
        new MutationObserver(() => {
          for (const part of document.querySelectorAll('[role=alert]:not([data-told])')) {
            if (part.textContent.includes('ran into a defect')) {
              part.dataset.told = '';
              console.error('defect: ' + part.textContent);
            }
          }
        }).observe(document, { childList: true, characterData: true, subtree: true });
        """;

    /// <summary>The one address that tests open because nothing is there.</summary>
    private const string Nowhere = "/nowhere";

    /// <summary>The browser gives up what it asked for when its reader goes on to another page.</summary>
    private const string GivenUp = "net::ERR_ABORTED";

    private readonly IBrowserContext _context;
    private readonly Uri _site;
    private readonly ConcurrentQueue<string> _faults = new();

    private Visit(IBrowserContext context, Uri site)
    {
        _context = context;
        _site = site;
        context.Page += (_, page) => Watch(page);
    }

    public IPage Page { get; private set; } = null!;

    /// <summary>What went wrong so far.</summary>
    public IReadOnlyCollection<string> Faults => _faults;

    /// <summary>Set while a test takes a server away, when connections must fail.</summary>
    public bool ToleratesOutage { get; set; }

    public static async Task<Visit> BeginAsync(IBrowser browser, Uri site, Action<BrowserNewContextOptions>? configure = null)
    {
        var options = new BrowserNewContextOptions
        {
            BaseURL = site.ToString(),
            ViewportSize = new() { Width = 1280, Height = 860 },
            TimezoneId = "Europe/Berlin",
        };
        configure?.Invoke(options);
        var visit = new Visit(await browser.NewContextAsync(options), site);
        visit._context.SetDefaultTimeout(90_000);
        await visit._context.AddInitScriptAsync(TellFaults);
        visit.Page = await visit.NewTabAsync();
        return visit;
    }

    public Task<IPage> NewTabAsync() => _context.NewPageAsync();

    /// <summary>Opens a page and waits until it is live, not only painted.</summary>
    public static async Task OpenAsync(IPage page, string path)
    {
        await page.GotoAsync(path);
        await page.Locator("main[data-interactive]").WaitForAsync();
    }

    public Task OpenAsync(string path) => OpenAsync(Page, path);

    public Task OpenAsync(Guid run) => OpenAsync($"/runs/{run}");

    /// <summary>Waits until the tab shows a run.</summary>
    /// <remarks>Asks again and again: a wait for the navigation itself can begin just after it and then never ends.</remarks>
    public static Task ShowsRunAsync(IPage page) => Assertions.Expect(page).ToHaveURLAsync(RunAddress());

    /// <summary>The answer as a reader sees it, white space told as one blank.</summary>
    public static async Task<string> AnswerAsync(IPage page) =>
        string.Join(
            ' ',
            (await page.Locator("[data-answer]").InnerTextAsync()).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)
        );

    /// <summary>Waits until the run has ended and its text was compared with the stored one.</summary>
    public static Task CompleteAsync(IPage page, float seconds = 60) =>
        page.Locator("[data-answer][data-check=equal]")
            .WaitForAsync(new() { State = WaitForSelectorState.Attached, Timeout = seconds * 1000 });

    public static Task ShowsAsync(IPage page, string status, float seconds = 60) =>
        page.Locator($".run-status [data-status={status}]").WaitForAsync(new() { Timeout = seconds * 1000 });

    /// <summary>Nothing went wrong in any tab.</summary>
    public void AssertClean() => Assert.Empty(_faults);

    public async ValueTask DisposeAsync() => await _context.DisposeAsync();

    private void Watch(IPage page)
    {
        page.Console += (_, message) =>
        {
            // What failed to load is judged by its response.
            if (
                message.Type == "error"
                && !message.Text.StartsWith("Failed to load resource", StringComparison.Ordinal)
                && !ToleratesOutage
            )
            {
                _faults.Enqueue($"console: {message.Text}");
            }
        };
        page.PageError += (_, error) => _faults.Enqueue($"script: {error}");
        page.Dialog += (_, dialog) => _faults.Enqueue($"dialog: {dialog.Message}");
        page.Request += (_, request) => Check(request);
        page.RequestFailed += (_, request) =>
        {
            if (!string.Equals(request.Failure, GivenUp, StringComparison.Ordinal) && !ToleratesOutage)
            {
                _faults.Enqueue($"{request.Failure}: {request.Url}");
            }
        };
        page.Response += (_, response) =>
        {
            var isNowhere = response.Status == 404 && new Uri(response.Url).AbsolutePath is Nowhere;
            if (response.Status >= 400 && !isNowhere && !ToleratesOutage)
            {
                _faults.Enqueue($"{response.Status}: {response.Url}");
            }
        };
    }

    private void Check(IRequest request)
    {
        var address = new Uri(request.Url);
        if (
            address.Scheme is not ("data" or "about" or "blob")
            && !string.Equals(address.Authority, _site.Authority, StringComparison.Ordinal)
        )
        {
            _faults.Enqueue($"foreign request: {request.Url}");
        }
    }

    [GeneratedRegex("/runs/.+")]
    private static partial Regex RunAddress();
}
