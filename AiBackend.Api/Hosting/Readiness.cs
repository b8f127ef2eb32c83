using AiBackend.Core.Redis;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;

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
internal sealed class PostgresAnswers(NpgsqlDataSource database) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            await using var command = database.CreateCommand("SELECT 1");
            await command.ExecuteScalarAsync(cancellationToken);
            return HealthCheckResult.Healthy();
        }
        catch (NpgsqlException failure)
        {
            return new HealthCheckResult(context.Registration.FailureStatus, exception: failure);
        }
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
        catch (Exception failure) when (failure is StackExchange.Redis.RedisException or TimeoutException)
        {
            return new HealthCheckResult(context.Registration.FailureStatus, exception: failure);
        }
    }
}
