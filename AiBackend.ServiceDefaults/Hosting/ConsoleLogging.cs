using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace AiBackend.ServiceDefaults.Hosting;

/// <summary>One line a log entry for people; one JSON object a line in Production, for machines.</summary>
internal static class ConsoleLogging
{
    public static void AddConsoleLogging(this IHostApplicationBuilder builder)
    {
        var formatter = builder.Environment.IsProduction() ? ConsoleFormatterNames.Json : ConsoleFormatterNames.Simple;

        builder.Logging.AddConsole();
        // Of two formatters of one name the first counts.
        builder.Services.Insert(0, ServiceDescriptor.Singleton<ConsoleFormatter, HarmlessConsoleFormatter>());
        // Logging:Console:FormatterName is bound before this runs, so an operator's choice stands.
        builder.Services.Configure<ConsoleLoggerOptions>(options => options.FormatterName ??= formatter);
        builder.Services.Configure<SimpleConsoleFormatterOptions>(options =>
        {
            options.SingleLine = true;
            options.UseUtcTimestamp = true;
            options.TimestampFormat ??= "HH:mm:ss.fff ";
        });
        builder.Services.Configure<JsonConsoleFormatterOptions>(options =>
        {
            options.IncludeScopes = true;
            options.UseUtcTimestamp = true;
            options.TimestampFormat ??= "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";
        });
        builder.Services.Configure<LoggerFilterOptions>(QuietTheFramework);
    }

    /// <summary>The framework writes several lines for every request; telemetry has the same facts for less.</summary>
    private static void QuietTheFramework(LoggerFilterOptions options)
    {
        // Of two rules for one category the later wins: first in the list, these lose to any configured level.
        options.Rules.Insert(0, new LoggerFilterRule(null, "Microsoft.AspNetCore", LogLevel.Warning, null));
        options.Rules.Insert(0, new LoggerFilterRule(null, "System.Net.Http", LogLevel.Warning, null));
        // At Information it writes every statement.
        options.Rules.Insert(0, new LoggerFilterRule(null, "Npgsql", LogLevel.Warning, null));
    }
}
