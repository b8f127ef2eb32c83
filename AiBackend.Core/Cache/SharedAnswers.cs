using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Cache;

/// <summary>What a job that may share answers has to do when it begins.</summary>
public abstract record FlightEntry
{
    private FlightEntry() { }

    /// <summary>Ask a provider; equal jobs wait for what comes of it.</summary>
    public sealed record Leads : FlightEntry;

    /// <summary>Wait.</summary>
    /// <param name="Leader">For this job's answer; null when it has just ended.</param>
    public sealed record Follows(Guid? Leader) : FlightEntry;

    /// <summary>Take the answer of an equal job.</summary>
    public sealed record Hit : FlightEntry
    {
        /// <summary>The answer.</summary>
        public required string Text { get; init; }

        /// <summary>Tools that the model asked for.</summary>
        public IReadOnlyList<ChatToolCall> ToolCalls { get; init; } = [];

        /// <summary>Why the answer is over; null when nobody said.</summary>
        public string? FinishReason { get; init; }

        /// <summary>Whether it had waited for it.</summary>
        public required bool Followed { get; init; }

        /// <summary>Who gave the answer then.</summary>
        public required string Provider { get; init; }

        /// <summary>The model asked then.</summary>
        public required string Model { get; init; }

        /// <summary>What the provider said it was.</summary>
        public string? ModelVersion { get; init; }

        /// <summary>Whether no real model was involved.</summary>
        public required bool Simulated { get; init; }
    }
}

/// <summary>Answers that equal requests of one tenant share, and who of them asks. The rules are in 0017c_cache.sql.</summary>
public sealed class SharedAnswers(
    NpgsqlDataSource database,
    [FromKeyedServices(DatabaseRegistration.Rounds)] NpgsqlDataSource rounds,
    IOptions<CacheOptions> options,
    ILogger<SharedAnswers> logger
)
{
    private const string EnterSql = "SELECT * FROM enter_flight(@job_id, @tenant_id, @key, @crashes, @version)";
    private const string OutputSql = "SELECT tool_calls, finish_reason FROM job_outputs WHERE job_id = @job_id AND tenant_id = @tenant_id";
    private const string SettleSql = "SELECT settle_flights(@keep, @longest)";

    // Expired first; then of each tenant all but the newest.
    private const string PruneSql = """
        DELETE FROM cached_answers WHERE expires_at <= now();
        DELETE FROM cached_answers c
         USING (SELECT tenant_id, cache_key, row_number() OVER (PARTITION BY tenant_id ORDER BY stored_at DESC) AS place FROM cached_answers) a
         WHERE a.place > @most AND c.tenant_id = a.tenant_id AND c.cache_key = a.cache_key
        """;

    /// <summary>For a job that was just claimed. Without Postgres' word it asks for itself, as if nobody shared anything.</summary>
    public async Task<FlightEntry> EnterAsync(ClaimedJob job, CancellationToken cancellationToken)
    {
        if (job.CacheKey is not { } key)
        {
            return new FlightEntry.Leads();
        }

        try
        {
            return await EnterAsync(job, key, cancellationToken);
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            logger.NotShared(failure, job.Lease.JobId);
            return new FlightEntry.Leads();
        }
    }

    /// <summary>Keeps what leaders have answered, lets those go on who wait for it, and gives the lead of one that failed to another: the leader's part.</summary>
    public Task SettleAsync(CancellationToken cancellationToken) =>
        TransientRetry.RunAsync(
            async token =>
            {
                await using var hot = await HotCommand.OpenAsync(rounds, SettleSql, AddTimes, token);
                return await hot.Command.ExecuteNonQueryAsync(token);
            },
            cancellationToken
        );

    /// <summary>The same for a job that has just ended. Many end at once, and must not take the leader's connections.</summary>
    public Task SettleNowAsync(CancellationToken cancellationToken) =>
        TransientRetry.RunAsync(
            async token =>
            {
                await using var command = database.CreateCommand(SettleSql);
                AddTimes(command.Parameters);
                return await command.ExecuteNonQueryAsync(token);
            },
            cancellationToken
        );

    /// <summary>Deletes what is too old or too much.</summary>
    public async Task PruneAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(PruneSql);
        command.Parameters.AddWithValue("most", options.Value.MaxAnswersPerTenant);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private void AddTimes(NpgsqlParameterCollection parameters)
    {
        parameters.AddWithValue("keep", options.Value.TimeToLive);
        parameters.AddWithValue("longest", options.Value.LongestAnswer);
    }

    private async Task<FlightEntry> EnterAsync(ClaimedJob job, byte[] key, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(EnterSql);
        command.Parameters.AddWithValue("job_id", job.Lease.JobId);
        command.Parameters.AddWithValue("tenant_id", job.TenantId);
        command.Parameters.AddWithValue("key", key);
        command.Parameters.AddWithValue("crashes", NpgsqlDbType.Smallint, (short)job.Crashes);
        command.Parameters.AddWithValue("version", NpgsqlDbType.Smallint, JobSchema.Version);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return Read(reader) is FlightEntry.Hit hit
            ? await CompleteAsync(hit, reader.GetGuid(1), job.TenantId, cancellationToken)
            : Read(reader);
    }

    /// <summary>What else belongs to the answer is with the job that gave it. Without that job, whose age is up, this one asks for itself.</summary>
    private async Task<FlightEntry> CompleteAsync(FlightEntry.Hit hit, Guid from, Guid tenantId, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(OutputSql);
        command.Parameters.AddWithValue("job_id", from);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? Complete(hit, reader) : new FlightEntry.Leads();
    }

    private static FlightEntry.Hit Complete(FlightEntry.Hit hit, NpgsqlDataReader row) =>
        hit with
        {
            ToolCalls = ToolCallsJson.Read(row.IsDBNull(0) ? null : row.GetString(0)),
            FinishReason = row.IsDBNull(1) ? null : row.GetString(1),
        };

    private static FlightEntry Read(NpgsqlDataReader row) =>
        row.GetInt16(0) switch
        {
            1 => new FlightEntry.Leads(),
            2 => new FlightEntry.Follows(row.IsDBNull(1) ? null : row.GetGuid(1)),
            _ => new FlightEntry.Hit
            {
                Followed = row.GetBoolean(2),
                Text = row.GetString(3),
                Provider = row.GetString(4),
                Model = row.GetString(5),
                ModelVersion = row.IsDBNull(6) ? null : row.GetString(6),
                Simulated = row.GetBoolean(7),
            },
        };
}
