using AiBackend.ServiceDefaults.Hosting;
using Radzen;

namespace AiBackend.Web.Shell;

internal static class ShellRegistration
{
    /// <summary>A prompt may be as large as the Api accepts; a circuit's default of 32 KB would cut the connection.</summary>
    private const int MaxMessageBytes = 1280 * 1024;

    public static void AddShell(this IHostApplicationBuilder builder)
    {
        GuardAutomaticSignIn(builder);
        builder.RequireHostNames();
        builder.RequireOwnCertificate();
        builder.AddProxies();
        // A circuit without WebSockets posts its messages.
        builder.AddKestrelLimits(2 * MaxMessageBytes);
        builder.AddPageKeys();
        builder
            .Services.AddRazorComponents()
            .AddInteractiveServerComponents(options =>
            {
                options.DisconnectedCircuitRetentionPeriod = TimeSpan.FromMinutes(3);
                options.DisconnectedCircuitMaxRetained = 100;
                options.DetailedErrors = builder.Environment.IsDevelopment();
            })
            .AddHubOptions(options => options.MaximumReceiveMessageSize = MaxMessageBytes);
        builder
            .Services.AddOptions<CircuitOptions>()
            .BindConfiguration(CircuitOptions.SectionName)
            .ValidateDataAnnotations()
            .ValidateOnStart();
        builder.Services.AddSingleton<CircuitLimits>().AddSingleton<PolicyReports>();
        builder.Services.AddAntiforgery(options => options.SuppressXFrameOptionsHeader = true);
        builder.Services.AddRadzenComponents();
        builder.Services.AddScoped<Browser>();
        builder.Services.AddScoped<Simulation>();
    }

    /// <summary>Whoever reaches a site that signs in by itself is signed in: a foreign name that resolves to this machine must not.</summary>
    private static void GuardAutomaticSignIn(IHostApplicationBuilder builder)
    {
        if (builder.Environment.IsDevelopment())
        {
            builder.Configuration["AllowedHosts"] ??= "localhost;127.0.0.1;[::1]";
        }
    }

    public static void UseShell(this WebApplication app)
    {
        app.UseProxies();
        if (!app.Environment.IsDevelopment())
        {
            app.UseHsts();
        }

        app.UseSecurityHeaders();
        app.UseOriginGuard();
        app.UseExceptionHandler(
            new ExceptionHandlerOptions
            {
                ExceptionHandlingPath = "/error",
                CreateScopeForErrors = true,
                // What a request did wrong is not our failure.
                StatusCodeSelector = failure =>
                    failure.GetBaseException() is BadHttpRequestException bad ? bad.StatusCode : StatusCodes.Status500InternalServerError,
            }
        );
        app.UseStatusCodePagesWithReExecute("/not-found", createScopeForStatusCodePages: true);
        app.UseAuthentication();
        app.UseSignInGate();
        app.Use(app.Services.GetRequiredService<CircuitLimits>().InvokeAsync);
        app.UseAntiforgery();
    }

    public static void MapPages(this WebApplication app)
    {
        app.MapStaticAssets();
        app.MapPost(PolicyReports.Path, app.Services.GetRequiredService<PolicyReports>().TakeAsync);
        app.MapGet("/", () => TypedResults.Redirect("/ask"));
        // The header of SecurityHeaders has the rule; a second one would only be another place to keep in step.
        app.MapRazorComponents<App>().AddInteractiveServerRenderMode(options => options.ContentSecurityFrameAncestorsPolicy = null);
    }
}
