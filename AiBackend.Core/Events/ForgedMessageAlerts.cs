using System.Globalization;
using AiBackend.Core.Alerts;
using AiBackend.Core.Database;
using Npgsql;

namespace AiBackend.Core.Events;

/// <summary>Somebody who can write to Redis is worth an alert, whichever process was told something by him.</summary>
internal sealed class ForgedMessageAlerts(NpgsqlDataSource database) : IAlertSource
{
    // Twice as long as processes are silent about what comes all the time.
    private const string Sql = "SELECT channel, messages, latest_at FROM forged_messages WHERE latest_at > now() - interval '2 minutes'";

    public async Task<IReadOnlyList<AlertFinding>> FindAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(Sql);
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    private static AlertFinding Read(NpgsqlDataReader row)
    {
        var (channel, latestAt) = (row.GetString(0), row.GetFieldValue<DateTimeOffset>(2));
        return new AlertFinding(AlertFinding.Everyone, AlertRules.RedisForged, channel, row.GetInt64(1))
        {
            Message = string.Create(
                CultureInfo.InvariantCulture,
                $"What came over Redis on '{channel}' until {latestAt.UtcDateTime:yyyy-MM-dd HH:mm} UTC was sent by none of our processes and was passed over. Somebody else can write to Redis: change its password, and look who reaches it. While an installation is upgraded from a version before codes, it is what older workers send."
            ),
            Drifts = true,
        };
    }
}
