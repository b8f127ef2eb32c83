using AiBackend.Tests.Fixtures;
using Microsoft.Playwright;

namespace AiBackend.Tests.Web.Browser;

/// <summary>Debian's chromium without a screen. Missing, the tests are skipped at a desk and fail in continuous integration.</summary>
/// <remarks>
/// The shell that has no window at all opens a page in half the time; the whole browser draws its own tabs and buttons as
/// pages beside each of ours. Where the shell is missing, the whole browser serves.
/// </remarks>
public sealed class BrowserFixture : IAsyncLifetime
{
    private static readonly string[] Programs = ["chromium-headless-shell", "chromium"];

    private static readonly string[] Quiet =
    [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ];

    private IPlaywright? _playwright;
    private IBrowser? _browser;

    public IBrowser Browser
    {
        get
        {
            if (_browser is null)
            {
                TestRun.Require("chromium");
            }

            return _browser ?? throw new InvalidOperationException("The browser was not started.");
        }
    }

    public async ValueTask InitializeAsync()
    {
        if (Programs.Select(program => TestRun.Find(program)).FirstOrDefault(path => path is not null) is not { } chromium)
        {
            return;
        }

        // A page that is right after a while is right: how fast it is is measured elsewhere.
        Assertions.SetDefaultExpectTimeout(60_000);
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(
            new()
            {
                ExecutablePath = chromium,
                Args = Quiet,
                Timeout = 120_000,
            }
        );
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
        {
            await _browser.DisposeAsync();
        }

        _playwright?.Dispose();
    }
}
