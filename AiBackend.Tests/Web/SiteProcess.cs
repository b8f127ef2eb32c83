using AiBackend.Tests.Architecture;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Web;

/// <summary>The site alone, as a process, with an Api of the test's choice or none.</summary>
internal sealed class SiteProcess : IDisposable
{
    private readonly ChildProcess _process;
    private readonly string _keys;

    private SiteProcess(ChildProcess process, string keys, Uri address)
    {
        (_process, _keys) = (process, keys);
        Address = address;
        Http = new HttpClient(
            new SocketsHttpHandler
            {
                AllowAutoRedirect = false,
                UseCookies = false,
                Expect100ContinueTimeout = TimeSpan.FromMinutes(1),
            }
        )
        {
            BaseAddress = address,
        };
    }

    public Uri Address { get; }

    public HttpClient Http { get; }

    public string Output => _process.Output;

    public static async Task<SiteProcess> StartAsync(
        string environment,
        Uri? api = null,
        string? keyFile = null,
        bool requireSignIn = false,
        string? pageKeys = null,
        params IEnumerable<(string Name, string Value)> variables
    )
    {
        var keys = pageKeys ?? TestFolder.Create("page-keys");
        var address = new Uri($"http://127.0.0.1:{FreePort.Next()}");
        var process = await StartAsync(Variables(environment, address, keys, api, keyFile, requireSignIn, variables));
        var site = new SiteProcess(process, keys, address);
        await Eventually.TrueAsync(
            async cancellationToken => (await site.Http.GetAsync("/health/live", cancellationToken)).IsSuccessStatusCode,
            "the site answers",
            TimeSpan.FromSeconds(30)
        );
        return site;
    }

    /// <summary>Starts one that is not to start.</summary>
    /// <returns>What has ended, with its exit code and what it said.</returns>
    public static async Task<ChildProcess> EndAsync(string environment, params IEnumerable<(string Name, string Value)> variables)
    {
        var keys = TestFolder.Create("page-keys");
        var address = new Uri($"http://127.0.0.1:{FreePort.Next()}");
        var process = await StartAsync(Variables(environment, address, keys, null, null, requireSignIn: false, variables));
        try
        {
            await process.WaitForExitAsync(TestRun.Cancel).WaitAsync(TimeSpan.FromMinutes(1), TestRun.Cancel);
            return process;
        }
        catch
        {
            process.Dispose();
            throw;
        }
        finally
        {
            TestFolder.Remove(keys);
        }
    }

    public void Dispose()
    {
        Http.Dispose();
        _process.Dispose();
        TestFolder.Remove(_keys);
    }

    private static Task<ChildProcess> StartAsync(Dictionary<string, string?> variables) =>
        ChildProcess.StartAsync(TestRun.Require("dotnet"), [Binary], environment: variables);

    private static Dictionary<string, string?> Variables(
        string environment,
        Uri address,
        string keys,
        Uri? api,
        string? keyFile,
        bool requireSignIn,
        IEnumerable<(string Name, string Value)> variables
    )
    {
        var all = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["ASPNETCORE_ENVIRONMENT"] = environment,
            ["DOTNET_ENVIRONMENT"] = environment,
            ["AllowedHosts"] = "127.0.0.1;localhost",
            ["ASPNETCORE_URLS"] = address.ToString(),
            ["services__api__http__0"] = (api ?? new Uri($"http://127.0.0.1:{FreePort.Next()}")).ToString(),
            ["AIBACKEND_DEV_KEY_FILE"] = keyFile,
            ["PageKeys__Folder"] = keys,
            ["PageKeys__Plain"] = "true",
            ["Account__RequireSignIn"] = requireSignIn ? "true" : null,
        };
        foreach (var (name, value) in variables)
        {
            all[name] = value;
        }

        return all;
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
