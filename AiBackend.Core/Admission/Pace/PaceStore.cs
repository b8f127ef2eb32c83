using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Admission.Pace;

/// <summary>The pace of slowed deployments in Postgres (0016c_paces.sql), where all workers see the same.</summary>
public sealed class PaceStore(
    [FromKeyedServices(DatabaseRegistration.HotPath)] NpgsqlDataSource hot,
    [FromKeyedServices(DatabaseRegistration.Rounds)] NpgsqlDataSource rounds,
    NpgsqlDataSource database
)
{
    private const string EnterSql = "SELECT admitted, delay_ms FROM enter_pace(@deployment, @patience_ms)";
    private const string LowerSql = "SELECT lower_pace(@deployment, @refused, @rate, @told, @after_ms, @process)";
    private const string RaiseSql = "SELECT raise_pace(@deployment)";
    private const string ListSql = """
        SELECT deployment, rate, full_rate, CASE WHEN blocked_until > now() THEN blocked_until END FROM call_paces
        """;

    /// <summary>Tells this process' words from those of others.</summary>
    private readonly string _process = Guid.CreateVersion7().ToString("N");

    /// <summary>All of them.</summary>
    public async Task<IReadOnlyList<CallPace>> ListAsync(CancellationToken cancellationToken)
    {
        await using var command = rounds.CreateCommand(ListSql);
        return await command.ReadAllAsync(
            row => new CallPace(row.GetString(0), row.GetDouble(1), row.GetDouble(2), row.GetFieldValue<DateTimeOffset?>(3)),
            cancellationToken
        );
    }

    internal async Task<(bool Admitted, TimeSpan Delay)> EnterAsync(
        string deployment,
        TimeSpan patience,
        CancellationToken cancellationToken
    )
    {
        await using var command = await HotCommand.OpenAsync(
            hot,
            EnterSql,
            parameters =>
            {
                parameters.AddWithValue("deployment", NpgsqlDbType.Text, deployment);
                parameters.AddWithValue("patience_ms", NpgsqlDbType.Bigint, (long)patience.TotalMilliseconds);
            },
            cancellationToken
        );
        await using var reader = await command.Command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return (reader.GetBoolean(0), TimeSpan.FromMilliseconds(reader.GetInt64(1)));
    }

    internal async Task WriteAsync(string deployment, PaceNews news, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(news.Word == PaceWord.Answered ? RaiseSql : LowerSql);
        command.Parameters.AddWithValue("deployment", NpgsqlDbType.Text, deployment);
        if (news.Word != PaceWord.Answered)
        {
            command.Parameters.AddWithValue("refused", NpgsqlDbType.Boolean, news.Word == PaceWord.TooFast);
            command.Parameters.AddWithValue("rate", NpgsqlDbType.Double, news.PerSecond);
            command.Parameters.AddWithValue("told", NpgsqlDbType.Double, (object?)news.Told ?? DBNull.Value);
            command.Parameters.AddWithValue("after_ms", NpgsqlDbType.Bigint, (long)news.After.TotalMilliseconds);
            command.Parameters.AddWithValue("process", NpgsqlDbType.Text, _process);
        }

        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
