namespace AiBackend.Api.Problems;

/// <summary>Makes every answer that is not a success a problem of the documented list.</summary>
internal static class ProblemsRegistration
{
    public static void AddProblems(this IHostApplicationBuilder builder) => builder.Services.AddExceptionHandler<ExceptionProblems>();

    /// <summary>Comes first, so that nothing fails outside of it.</summary>
    public static void UseProblems(this WebApplication app)
    {
        // Failures are logged by who explains them, once.
        app.UseExceptionHandler(
            new ExceptionHandlerOptions { ExceptionHandler = _ => Task.CompletedTask, SuppressDiagnosticsCallback = _ => true }
        );
        app.UseStatusCodePages(StatusProblems.ExplainAsync);
    }
}
