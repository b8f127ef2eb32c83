using AiBackend.Core.Database;
using AiBackend.Core.Redis;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;
using StackExchange.Redis;

namespace AiBackend.Api.Hosting;

/// <summary>What <c>/health/ready</c> asks.</summary>
internal static class Readiness
{
    public static void AddReadinessChecks(this IHostApplicationBuilder builder)
    {
        var checks = builder.Services.AddHealthChecks();
        checks.AddCheck<PostgresAnswers>("postgres", HealthStatus.Unhealthy);
        // Without Redis every job is still accepted and run, only later.
        checks.AddCheck<RedisAnswers>("redis", HealthStatus.Degraded);
    }
}

/// <summary>Without Postgres nothing can be accepted.</summary>
internal sealed class PostgresAnswers(NpgsqlDataSource database, IStorageWatch storage) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        if (storage.IsAway)
        {
            return Cause.Of(HealthStatus.Unhealthy, StorageTrouble.Unreachable);
        }

        try
        {
            await using var command = database.CreateCommand("SELECT 1");
            await command.ExecuteScalarAsync(cancellationToken);
        }
        catch (Exception failure) when (storage.Report(failure))
        {
            return Cause.Of(HealthStatus.Unhealthy, StorageFailures.Of(failure)!.Value);
        }

        // It answers this question; whether it answered all others lately is another one.
        return storage.Recent is { } trouble and (StorageTrouble.Full or StorageTrouble.Exhausted)
            ? Cause.Of(HealthStatus.Degraded, trouble)
            : HealthCheckResult.Healthy();
    }
}

/// <summary>Redis carries hints; without it they are found in Postgres.</summary>
internal sealed class RedisAnswers(RedisConnection redis) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            await redis.ProbeAsync().WaitAsync(cancellationToken);
            return HealthCheckResult.Healthy();
        }
        catch (RedisServerException refusal)
        {
            redis.ReportFailure(refusal);
            return Cause.Of(
                HealthStatus.Degraded,
                refusal.Message.StartsWith("OOM", StringComparison.Ordinal) ? StorageTrouble.Full : StorageTrouble.Unreachable
            );
        }
        catch (Exception failure) when (failure is RedisException or TimeoutException)
        {
            redis.ReportFailure(failure);
            return Cause.Of(HealthStatus.Degraded, StorageTrouble.Unreachable);
        }
    }
}

/// <summary>One word for whoever looks at the answer; the rest is in the log.</summary>
internal static class Cause
{
    public static HealthCheckResult Of(HealthStatus status, StorageTrouble trouble) =>
        new(status, data: new Dictionary<string, object>(StringComparer.Ordinal) { ["cause"] = Word(trouble) });

    private static string Word(StorageTrouble trouble) =>
        trouble switch
        {
            StorageTrouble.Exhausted => "connections_exhausted",
            StorageTrouble.Full => "full",
            StorageTrouble.Busy => "busy",
            _ => "unreachable",
        };
}
