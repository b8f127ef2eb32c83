using AiBackend.ServiceDefaults;
using AiBackend.Web.Account;
using AiBackend.Web.Answers;
using AiBackend.Web.Api;
using AiBackend.Web.Costs;
using AiBackend.Web.Runs;

namespace AiBackend.Web.Shell;

/// <summary>The whole site as one application.</summary>
internal static class SiteHost
{
    public static WebApplication Create(string[] args)
    {
        var builder = WebApplication.CreateBuilder(args);
        builder.AddServiceDefaults();
        builder.AddApiClient();
        builder.AddAccount();
        builder.AddAnswers();
        builder.AddRuns();
        builder.AddShell();

        var app = builder.Build();
        app.UseShell();
        app.MapDefaultEndpoints();
        app.MapAccount();
        app.MapCostsDownload();
        app.MapFileDownload();
        app.MapPages();
        return app;
    }
}
