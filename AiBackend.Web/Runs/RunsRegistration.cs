namespace AiBackend.Web.Runs;

internal static class RunsRegistration
{
    public static void AddRuns(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton<RunMetrics>();
        builder.Services.AddSingleton<SharedFeeds>();
        builder.Services.AddScoped<RunFeeds>();
    }
}
