using AiBackend.ServiceDefaults;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.ServiceDefaults;

/// <summary>Console and shutdown differ between a desk and service, and an operator's setting beats both.</summary>
public sealed class HostingTests
{
    [Theory]
    [InlineData("Development", "simple", 5)]
    [InlineData("Staging", "simple", 30)]
    [InlineData("Production", "json", 30)]
    public void Console_format_and_shutdown_time_follow_the_environment(string environment, string formatter, int seconds)
    {
        using var host = Build(environment);

        Assert.Equal(formatter, Options<ConsoleLoggerOptions>(host).FormatterName);
        Assert.True(Options<SimpleConsoleFormatterOptions>(host).SingleLine);
        Assert.Equal(TimeSpan.FromSeconds(seconds), Options<HostOptions>(host).ShutdownTimeout);
    }

    /// <summary>Names that callers choose are in entries: of pools, of tenants, of addresses that were asked for.</summary>
    [Theory]
    [InlineData("Development")]
    [InlineData("Production")]
    public void A_27_A_53_whatever_an_entry_names_it_is_one_line_that_no_terminal_obeys(string environment)
    {
        using var host = Build(environment);
        using var output = new StringWriter();
        var name = Options<ConsoleLoggerOptions>(host).FormatterName;
        // As the console itself chooses.
        var formatter = host.Services.GetServices<ConsoleFormatter>().First(each => each.Name == name);
        const string Hostile = "a\r\nFORGED\rfail: x\u001b[2J\u001b]0;owned\u0007\u0085\u2028b\u202Etxt.exe\u202C\u2066c\u2069\u009b1m\0";

        formatter.Write(
            new LogEntry<string>(
                LogLevel.Warning,
                "Category",
                1,
                $"Held {Hostile}.",
                new InvalidOperationException(Hostile),
                static (text, _) => text
            ),
            null,
            output
        );

        var line = output.ToString();
        Assert.EndsWith("\n", line, StringComparison.Ordinal);
        Assert.DoesNotContain(
            line[..^1],
            letter => char.IsControl(letter) || "\u2028\u202E\u202C\u2066\u2069".Contains(letter, StringComparison.Ordinal)
        );
        Assert.Contains("FORGED", line, StringComparison.Ordinal);
        Assert.Contains("InvalidOperationException", line, StringComparison.Ordinal);
    }

    [Fact]
    public void A_53_scopes_that_an_operator_wants_to_see_bring_nothing_along_that_a_terminal_obeys()
    {
        using var host = Build("Development", "--Logging:Console:FormatterOptions:IncludeScopes=true");
        using var output = new StringWriter();
        var scopes = new LoggerExternalScopeProvider();
        using var scope = scopes.Push("of \u001b[2J");
        var formatter = host.Services.GetServices<ConsoleFormatter>().First(each => each.Name == ConsoleFormatterNames.Simple);

        // A formatter may have nothing to say.
        formatter.Write(new LogEntry<string>(LogLevel.Warning, "Category", 1, "x", null, static (_, _) => null!), scopes, output);
        formatter.Write(new LogEntry<string>(LogLevel.Warning, "Category", 1, "Held.", null, static (text, _) => text), scopes, output);

        Assert.True(Options<SimpleConsoleFormatterOptions>(host).IncludeScopes);
        Assert.Contains("Held.", output.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', output.ToString());
    }

    [Fact]
    public void What_an_operator_configured_stands()
    {
        using var host = Build(
            "Production",
            "--Logging:Console:FormatterName=simple",
            "--Logging:LogLevel:Microsoft.AspNetCore=Information",
            "--shutdownTimeoutSeconds=12"
        );

        var logger = host.Services.GetRequiredService<ILoggerFactory>().CreateLogger("Microsoft.AspNetCore.Hosting.Diagnostics");
        Assert.Equal("simple", Options<ConsoleLoggerOptions>(host).FormatterName);
        Assert.True(logger.IsEnabled(LogLevel.Information));
        Assert.Equal(TimeSpan.FromSeconds(12), Options<HostOptions>(host).ShutdownTimeout);
    }

    [Fact]
    public void The_framework_does_not_log_every_request()
    {
        using var host = Build("Production");

        var loggers = host.Services.GetRequiredService<ILoggerFactory>();
        Assert.False(loggers.CreateLogger("Microsoft.AspNetCore.Hosting.Diagnostics").IsEnabled(LogLevel.Information));
        Assert.False(loggers.CreateLogger("System.Net.Http.HttpClient.api.LogicalHandler").IsEnabled(LogLevel.Information));
        Assert.True(loggers.CreateLogger("AiBackend.Worker").IsEnabled(LogLevel.Information));
    }

    private static IHost Build(string environment, params string[] arguments)
    {
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { EnvironmentName = environment, Args = arguments });
        builder.AddServiceDefaults();
        return builder.Build();
    }

    private static T Options<T>(IHost host)
        where T : class => host.Services.GetRequiredService<IOptions<T>>().Value;
}
