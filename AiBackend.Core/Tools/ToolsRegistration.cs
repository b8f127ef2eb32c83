using AiBackend.Core.Egress;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Knowledge;
using AiBackend.Core.Secrets;
using AiBackend.Core.Tools.Calls;
using AiBackend.Core.Tools.Code;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace AiBackend.Core.Tools;

/// <summary>Registers tools.</summary>
public static class ToolsRegistration
{
    // Whoever has set a secret for what is stored need not set another one.
    private const string OtherSecret = "Routing:CredentialSecret";

    /// <summary>Adds the registry and what was called: the Api's side.</summary>
    public static void AddToolRegistry(this IHostApplicationBuilder builder)
    {
        builder.AddTools();
        builder.Services.AddSingleton<ToolStore>().AddSingleton<ToolCallReads>().AddSingleton<AnswerToolCall>();
    }

    /// <summary>Adds what runs tools: the worker's side.</summary>
    public static void AddToolRuns(this IHostApplicationBuilder builder)
    {
        builder.AddTools();
        builder.Services.TryAddSingleton<WaitReads>();
        builder.Services.AddSingleton<ToolLedger>().AddSingleton<ToolRates>();
    }

    private static void AddTools(this IHostApplicationBuilder builder)
    {
        builder.AddEgress();
        builder.AddKnowledge();
        builder.Services.AddOptions<ToolsOptions>().BindConfiguration(ToolsOptions.SectionName).ValidateDataAnnotations().ValidateOnStart();
        var isDevelopment = builder.Environment.IsDevelopment();
        builder.Services.PostConfigure<ToolsOptions>(options =>
        {
            options.SealSecret ??= builder.Configuration[OtherSecret] ?? (isDevelopment ? ToolsOptions.DevelopmentSecret : null);
            options.Installation = builder.Configuration[SecretSeal.InstallationSetting];
        });
        builder.Services.TryAddSingleton<ToolSeal>();
        builder.Services.TryAddSingleton<CodeTools>();
        builder.Services.TryAddEnumerable(ServiceDescriptor.Singleton<ICodeTool, CurrentTime>());
        builder.Services.TryAddEnumerable(ServiceDescriptor.Singleton<ICodeTool, SearchKnowledge>());
    }
}
