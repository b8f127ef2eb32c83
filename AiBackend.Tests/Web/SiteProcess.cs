using AiBackend.Tests.Architecture;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Web;

/// <summary>The site alone, as a process, with an Api of the test's choice or none.</summary>
internal sealed class SiteProcess : IDisposable
{
    private readonly ChildProcess _process;

    private SiteProcess(ChildProcess process, Uri address)
    {
        _process = process;
        Address = address;
        Http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = address };
    }

    public Uri Address { get; }

    public HttpClient Http { get; }

    public string Output => _process.Output;

    public static async Task<SiteProcess> StartAsync(
        string environment,
        Uri? api = null,
        string? keyFile = null,
        bool requireSignIn = false
    )
    {
        var address = new Uri($"http://127.0.0.1:{FreePort.Next()}");
        var process = await ChildProcess.StartAsync(
            TestRun.Require("dotnet"),
            [Binary],
            environment: new Dictionary<string, string?>(StringComparer.Ordinal)
            {
                ["ASPNETCORE_ENVIRONMENT"] = environment,
                ["DOTNET_ENVIRONMENT"] = environment,
                ["AllowedHosts"] = "127.0.0.1;localhost",
                ["ASPNETCORE_URLS"] = address.ToString(),
                ["services__api__http__0"] = (api ?? new Uri($"http://127.0.0.1:{FreePort.Next()}")).ToString(),
                ["AIBACKEND_DEV_KEY_FILE"] = keyFile,
                ["Account__RequireSignIn"] = requireSignIn ? "true" : null,
            }
        );
        var site = new SiteProcess(process, address);
        await Eventually.TrueAsync(
            async cancellationToken => (await site.Http.GetAsync("/health/live", cancellationToken)).IsSuccessStatusCode,
            "the site answers",
            TimeSpan.FromSeconds(30)
        );
        return site;
    }

    public void Dispose()
    {
        Http.Dispose();
        _process.Dispose();
    }

    /// <summary>Built like the tests themselves, beside them.</summary>
    private static string Binary
    {
        get
        {
            var configuration = AppContext.BaseDirectory.Contains("/Release/", StringComparison.Ordinal) ? "Release" : "Debug";
            return Repository.Full($"AiBackend.Web/bin/{configuration}/net10.0/AiBackend.Web.dll");
        }
    }
}
