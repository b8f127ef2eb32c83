namespace AiBackend.Tests.Web.Browser;

/// <summary>The site in front of an Api that says what a test wants it to say.</summary>
public abstract class StubbedSite(BrowserFixture browser) : IClassFixture<BrowserFixture>, IAsyncLifetime
{
    protected BrowserFixture Browser { get; } = browser;

    private protected StubApi Api { get; private set; } = null!;

    private protected SiteProcess Site { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Api = await StubApi.StartAsync();
        Prepare();
        Site = await SiteProcess.StartAsync("Development", Api.Address);
    }

    public async ValueTask DisposeAsync()
    {
        Site.Dispose();
        await Api.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>What the Api says from the beginning.</summary>
    private protected virtual void Prepare() { }
}
