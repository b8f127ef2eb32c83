using AiBackend.ServiceDefaults;
using AiBackend.ServiceDefaults.Hosting;
using AiBackend.Simulator.Admin;
using AiBackend.Simulator.Behaviours;
using AiBackend.Simulator.Calls;
using AiBackend.Simulator.Chat;
using AiBackend.Simulator.Embeddings;
using AiBackend.Simulator.Streaming;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace AiBackend.Simulator;

/// <summary>The whole simulator as one application, so that a test can host it in its own process.</summary>
internal static class SimulatorHost
{
    public static WebApplication Create(string[] args)
    {
        var builder = WebApplication.CreateSlimBuilder(args);
        builder.AddServiceDefaults();
        builder.RefuseProduction();
        builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            // Slow and stuck peers are what this program is for.
            kestrel.Limits.MinResponseDataRate = null;
            kestrel.Limits.MinRequestBodyDataRate = null;
            kestrel.Limits.MaxRequestBodySize = 64 * 1024 * 1024;
        });
        builder.Services.Configure<SocketTransportOptions>(sockets =>
        {
            sockets.Backlog = 4096;
            // The pacer writes to every stream from one thread; handing each write to the pool would double its cost.
            sockets.UnsafePreferInlineScheduling = true;
        });
        builder
            .Services.AddSingleton<BehaviourBook>()
            .AddSingleton<CallLog>()
            .AddSingleton<Pacer>()
            .AddSingleton<ChatAnswerer>()
            .AddSingleton<ChatCompletions>()
            .AddSingleton<SimEmbeddings>();

        var app = builder.Build();
        app.MapDefaultEndpoints();
        app.MapOpenAi();
        app.MapAdmin();
        return app;
    }

    /// <summary>Nobody who pays for answers is to get made-up ones, however the programs around were configured.</summary>
    private static void RefuseProduction(this IHostApplicationBuilder builder)
    {
        if (builder.Environment.IsProduction())
        {
            builder.RefuseStart(
                "The simulator makes its answers up and does not run in Production. Set OPENAI_API_KEY or ANTHROPIC_API_KEY for the Api and the workers, and leave it out; to try things, set ASPNETCORE_ENVIRONMENT to Development or Staging."
            );
        }
    }
}
