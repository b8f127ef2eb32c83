using System.Collections.Concurrent;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Core.Queue.Order;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Queue.Estimates;

/// <summary>The learned estimates, in memory. They lag a second or two behind what the leader has learned, and no caller waits for them.</summary>
public sealed class JobEstimates
{
    // A change is seen when it is committed, which may be a while after the time that it bears.
    private const string Sql = """
        SELECT tenant_id, model, feature, run_p50, run_p90, tokens_p50, tokens_p90, updated_at
          FROM job_estimates WHERE updated_at > @since ORDER BY updated_at DESC LIMIT 20000
        """;

    private const int MostKept = 40_000;

    private const double CharactersPerToken = 4;
    private const int FirstAnswer = 512;
    private static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LateCommits = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<EstimateKey, JobEstimate> _known = new();
    private readonly NpgsqlDataSource _database;
    private readonly BackgroundRefresh _refresh;
    private DateTimeOffset _newest = DateTimeOffset.MinValue;

    /// <summary>Reads when it is first asked.</summary>
    public JobEstimates([FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource database, TimeProvider clock)
    {
        _database = database;
        // A failure is safe: older estimates are still estimates, and whoever submits is told about the database by his own statement.
        _refresh = new(RefreshAsync, MaxAge, clock);
    }

    /// <returns>What is known of such jobs, from the closest to the widest; null when it is nothing.</returns>
    public JobEstimate? Find(Guid tenantId, string model, string? feature)
    {
        _refresh.Begin();
        foreach (var key in new EstimateKey(tenantId, model, feature ?? "").AndWider())
        {
            if (_known.TryGetValue(key, out var estimate))
            {
                return estimate;
            }
        }

        return null;
    }

    /// <summary>The draft with what it is expected to cost and how long it is expected to run.</summary>
    public JobDraft Estimate(JobDraft draft)
    {
        // What is known of a model's jobs says nothing of those that do not ask it.
        if (!draft.Type.IsOfModel())
        {
            return draft with { ExpectedTokens = 1, ExpectedLength = JobLength.Of(TimeSpan.FromSeconds(1)) };
        }

        if (Find(draft.TenantId, draft.Model, draft.Feature) is { } known)
        {
            return draft with
            {
                ExpectedTokens = (int)Math.Clamp(known.TokensP50, 1, int.MaxValue),
                ExpectedLength = JobLength.Of(TimeSpan.FromSeconds(known.RunP50)),
            };
        }

        return draft with
        {
            ExpectedTokens = draft.Type == JobType.Noop ? 1 : (int)(draft.Input.Length / CharactersPerToken) + FirstAnswer,
        };
    }

    /// <summary>Reads what the leader has learned since the last look.</summary>
    /// <returns>How many rows that were.</returns>
    public async Task<int> RefreshAsync(CancellationToken cancellationToken)
    {
        if (_known.Count > MostKept)
        {
            // The newest are read again; what was only kept because nobody asked is gone.
            _newest = DateTimeOffset.MinValue;
            _known.Clear();
        }

        await using var command = _database.CreateCommand(Sql);
        var since = _newest == DateTimeOffset.MinValue ? _newest : _newest - LateCommits;
        command.Parameters.AddWithValue("since", NpgsqlDbType.TimestampTz, since);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var rows = 0;
        while (await reader.ReadAsync(cancellationToken))
        {
            _known[new(reader.GetGuid(0), reader.GetString(1), reader.GetString(2))] = new(
                reader.GetDouble(3),
                reader.GetDouble(4),
                reader.GetDouble(5),
                reader.GetDouble(6)
            );
            var at = await reader.GetFieldValueAsync<DateTimeOffset>(7, cancellationToken);
            _newest = at > _newest ? at : _newest;
            rows++;
        }

        return rows;
    }
}
