using AiBackend.Core.Database;
using AiBackend.Core.Tenancy;
using Microsoft.Extensions.Options;
using Npgsql;

namespace AiBackend.Worker.Migration;

/// <summary>Brings the schema up to date and, in Development, makes the development key valid; then the process ends.</summary>
internal static class MigrationRun
{
    private static readonly TimeSpan PatienceWithPostgres = TimeSpan.FromSeconds(60);

    /// <returns>The exit code: 0 when everything is in place.</returns>
    public static async Task<int> RunAsync(HostApplicationBuilder builder)
    {
        builder.AddTenancy();
        using var host = builder.Build();
        var logger = host.Services.GetRequiredService<ILoggerFactory>().CreateLogger("AiBackend.Worker.Migration");
        var stopping = host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;

        try
        {
            host.Services.GetService<IStartupValidator>()?.Validate();
            var applied = await MigrateAsync(host.Services, logger, stopping);
            logger.SchemaIsCurrent(applied);
            if (builder.Environment.IsDevelopment() && builder.Configuration[DevelopmentKey.FileVariable] is { Length: > 0 } path)
            {
                await host.Services.GetRequiredService<DevelopmentKey>().EnsureAsync(path, stopping);
            }

            return 0;
        }
        catch (Exception failure)
        {
            logger.MigrationFailed(failure);
            return 1;
        }
    }

    private static async Task<int> MigrateAsync(IServiceProvider services, ILogger logger, CancellationToken cancellationToken)
    {
        var migrator = services.GetRequiredService<DatabaseMigrator>();
        var clock = services.GetRequiredService<TimeProvider>();
        var startedAt = clock.GetTimestamp();
        while (true)
        {
            try
            {
                return await migrator.MigrateAsync(cancellationToken);
            }
            catch (NpgsqlException notYet) when (notYet.IsTransient && clock.GetElapsedTime(startedAt) < PatienceWithPostgres)
            {
                logger.PostgresNotReady(notYet);
                await Task.Delay(TimeSpan.FromSeconds(1), clock, cancellationToken);
            }
        }
    }
}

/// <summary>Log events 2200-2299 (docs/operations.md).</summary>
internal static partial class MigrationLog
{
    [LoggerMessage(2200, LogLevel.Information, "The schema is current; {Count} migrations were applied now")]
    public static partial void SchemaIsCurrent(this ILogger logger, int count);

    [LoggerMessage(2201, LogLevel.Information, "Postgres is not ready yet; trying again")]
    public static partial void PostgresNotReady(this ILogger logger, Exception failure);

    [LoggerMessage(2202, LogLevel.Error, "The schema could not be brought up to date; nothing else can start")]
    public static partial void MigrationFailed(this ILogger logger, Exception failure);
}
