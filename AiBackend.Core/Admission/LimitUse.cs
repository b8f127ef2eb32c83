using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace AiBackend.Core.Admission;

/// <summary>How much of its limits each deployment has used, over all workers.</summary>
public sealed class LimitUse([FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource database)
{
    // The 120 slots of a window and the one that is half over; what is older is in the row until somebody calls again.
    private const string Sql = """
        SELECT w.deployment, used.requests, used.input, used.output,
               live_open_calls(w.deployment)
          FROM call_windows w
         CROSS JOIN LATERAL (
               SELECT coalesce(sum(w.requests[s % 122 + 1]), 0)::bigint AS requests, coalesce(sum(w.input_tokens[s % 122 + 1]), 0)::bigint AS input,
                      coalesce(sum(w.output_tokens[s % 122 + 1]), 0)::bigint AS output
                 FROM generate_series(
                      greatest(0, w.slot - 121, (extract(epoch FROM clock_timestamp()) * 1000)::bigint / w.slot_ms - 120), w.slot) s) used
        """;

    /// <summary>Of every deployment that was called under limits, by <c>provider/model</c>.</summary>
    public async Task<IReadOnlyDictionary<string, UsedLimits>> ReadAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(Sql);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var used = new Dictionary<string, UsedLimits>(StringComparer.Ordinal);
        while (await reader.ReadAsync(cancellationToken))
        {
            used.Add(reader.GetString(0), new(reader.GetInt64(1), reader.GetInt64(2), reader.GetInt64(3), reader.GetInt64(4)));
        }

        return used;
    }
}

/// <summary>What was used, or is reserved, in the last window.</summary>
/// <param name="Requests">Calls.</param>
/// <param name="InputTokens">Tokens of prompts.</param>
/// <param name="OutputTokens">Tokens of answers.</param>
/// <param name="ConcurrentCalls">Calls that are open now; counted for deployments that limit them.</param>
public readonly record struct UsedLimits(long Requests, long InputTokens, long OutputTokens, long ConcurrentCalls);
