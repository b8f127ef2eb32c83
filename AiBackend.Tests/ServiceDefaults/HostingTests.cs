using AiBackend.ServiceDefaults;
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
