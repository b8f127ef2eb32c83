using System.Net;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Web.Account;
using AiBackend.Web.Api;
using AiBackend.Web.Runs;
using AiBackend.Web.Shell;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace AiBackend.Tests.Files;

/// <summary>Files through the site: with its reader's rights, as downloads that run nothing.</summary>
public sealed class SiteFilesTests(ApiServer api) : IClassFixture<ApiServer>
{
    [Fact]
    public async Task A_60_a_file_is_downloaded_with_the_readers_rights_and_runs_nothing()
    {
        var folder = TestFolder.Create("site-files");
        var key = Path.Combine(folder, "key");
        await File.WriteAllTextAsync(key, api.Key, TestRun.Cancel);
        var mine = await SampleFiles.UploadAsync(api.Http, "<script>alert(1)</script>", "page ä.html");
        var foreign = await SampleFiles.UploadAsync(api.Client(await api.AddTenantAsync()), "theirs");
        await using var site = await StartAsync(key);
        var address = site.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        using var http = new HttpClient(new SocketsHttpHandler()) { BaseAddress = new Uri(address) };

        using var read = await http.GetAsync(FileDownload.AddressOf(mine.Id), TestRun.Cancel);
        using var theirs = await http.GetAsync(FileDownload.AddressOf(foreign.Id), TestRun.Cancel);

        Assert.Equal(HttpStatusCode.OK, read.StatusCode);
        Assert.Equal("<script>alert(1)</script>", await read.Content.ReadAsStringAsync(TestRun.Cancel));
        Assert.Equal("text/plain; charset=utf-8", read.Content.Headers.ContentType!.ToString());
        Assert.Equal(
            ("attachment", "page ä.html"),
            (read.Content.Headers.ContentDisposition!.DispositionType, read.Content.Headers.ContentDisposition.FileNameStar)
        );
        Assert.Equal(["sandbox; default-src 'none'"], read.Headers.GetValues("Content-Security-Policy"));
        Assert.Equal(["nosniff"], read.Headers.GetValues("X-Content-Type-Options"));
        Assert.True(read.Headers.CacheControl?.NoStore);
        Assert.Equal(HttpStatusCode.NotFound, theirs.StatusCode);
        TestFolder.Remove(folder);
        Assert.DoesNotContain("theirs", await theirs.Content.ReadAsStringAsync(TestRun.Cancel), StringComparison.Ordinal);
    }

    private async Task<WebApplication> StartAsync(string key)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { EnvironmentName = Environments.Development });
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Configuration["services:api:http:0"] = api.Address.ToString();
        builder.Configuration["AIBACKEND_DEV_KEY_FILE"] = key;
        builder.AddApiClient();
        builder.AddAccount();
        builder.AddShell();
        var app = builder.Build();
        app.UseShell();
        app.MapFileDownload();
        await app.StartAsync(TestRun.Cancel);
        return app;
    }
}
