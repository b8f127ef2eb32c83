using System.Globalization;
using AiBackend.Core.Alerts;
using AiBackend.Core.Database;
using Npgsql;

namespace AiBackend.Core.Money;

/// <summary>A budget that has reached one of its thresholds is worth an alert, once in each of its windows.</summary>
internal sealed class BudgetAlerts(NpgsqlDataSource database) : IAlertSource
{
    // A hard budget stops short of its limit when the next call does not fit beside what is spent: refusing is reaching it, unless room is only set
    // aside. What is global concerns everyone.
    private const string Sql = """
        SELECT b.id, b.tenant_id, b.scope, b.subject, b.period, b.limit_usd, b.settled_usd, b.window_at, t.percent,
               b.settled_usd < b.limit_usd * t.percent / 100
          FROM budgets b CROSS JOIN LATERAL (
               SELECT max(p) AS percent FROM unnest(b.thresholds) AS p
                WHERE b.settled_usd > 0 AND b.settled_usd >= b.limit_usd * p / 100 OR p = 100 AND b.hard AND b.refused_at >= b.window_at
                   AND b.settled_usd + b.asked_usd > b.limit_usd) t
         WHERE b.deleted_at IS NULL AND b.window_at = budget_window(b.period, now()) AND t.percent IS NOT NULL
        """;

    public async Task<IReadOnlyList<AlertFinding>> FindAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(Sql);
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    private static AlertFinding Read(NpgsqlDataReader row)
    {
        var (scope, subject, period) = ((BudgetScope)row.GetInt16(2), row.GetString(3), (BudgetPeriod)row.GetInt16(4));
        var percent = row.GetInt16(8);
        var name = subject.Length == 0 ? scope.ToWire() : $"{scope.ToWire()} '{subject}'";
        return new AlertFinding(
            scope == BudgetScope.Global ? AlertFinding.Everyone : row.GetGuid(1),
            AlertRules.Budget,
            string.Create(
                CultureInfo.InvariantCulture,
                $"{row.GetGuid(0)}:{row.GetFieldValue<DateTimeOffset>(7).ToUnixTimeSeconds()}:{percent}"
            ),
            percent
        )
        {
            Message = string.Create(
                CultureInfo.InvariantCulture,
                $"The budget of {name} ({period.ToWire()}) {(row.GetBoolean(9) ? "has no room for the next call, so jobs wait" : $"has reached {percent} %")}: {row.GetDecimal(6):0.00####} of {row.GetDecimal(5):0.00####} US dollars are spent."
            ),
        };
    }
}
