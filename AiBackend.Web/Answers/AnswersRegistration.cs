namespace AiBackend.Web.Answers;

internal static class AnswersRegistration
{
    /// <summary>Compiles the way of an answer before the first reader waits for it.</summary>
    public static void AddAnswers(this IHostApplicationBuilder builder) => builder.Services.AddHostedService<AnswerWarmup>();
}

internal sealed class AnswerWarmup : BackgroundService
{
    private const string Sample = "# h\n\n*a* `b` [c](https://example.com)\n\n- d\n\n| e | f |\n|---|---|\n| g | h |\n\n```\ni\n```\n";

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.Run(() => SafeMarkdown.TryRender(Sample), stoppingToken);
}
