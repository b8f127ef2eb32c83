using System.Net;
using AiBackend.Tests.Fixtures;
using AiBackend.Web.Account;
using AiBackend.Web.Api;
using AiBackend.Web.Shell;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace AiBackend.Tests.Web;

public sealed class SecurityHeadersTests
{
    [Fact]
    public async Task A_72_a_page_that_broke_is_as_guarded_as_the_others()
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { EnvironmentName = Environments.Development });
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Configuration["services:api:http:0"] = "http://127.0.0.1:9";
        builder.AddApiClient();
        builder.AddAccount();
        builder.AddShell();
        await using var app = builder.Build();
        app.UseShell();
        app.MapGet("/broken", string () => throw new InvalidOperationException("secret detail"));
        app.MapGet("/error", () => Results.Text("<h1>Broken</h1>", "text/html"));
        await app.StartAsync(TestRun.Cancel);
        var address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        using var http = new HttpClient(new SocketsHttpHandler()) { BaseAddress = new Uri(address) };

        using var response = await http.GetAsync("/broken", TestRun.Cancel);

        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        Assert.Equal("<h1>Broken</h1>", await response.Content.ReadAsStringAsync(TestRun.Cancel));
        Assert.Contains(
            "frame-ancestors 'none'",
            Assert.Single(response.Headers.GetValues("Content-Security-Policy")),
            StringComparison.Ordinal
        );
        Assert.Equal("nosniff", Assert.Single(response.Headers.GetValues("X-Content-Type-Options")));
        Assert.Equal("DENY", Assert.Single(response.Headers.GetValues("X-Frame-Options")));
        Assert.Equal("no-referrer", Assert.Single(response.Headers.GetValues("Referrer-Policy")));
        Assert.True(response.Headers.CacheControl?.NoStore);
    }
}
