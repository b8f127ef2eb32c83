using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Money;

/// <summary>The prices in Postgres: read, and added to. None is ever changed.</summary>
public sealed class PriceStore([FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource database)
{
    private const string ListSql = """
        SELECT provider, model, version, valid_from, input, cached, output, reasoning, set_by FROM prices
         WHERE (@provider IS NULL OR provider = @provider) AND (@model IS NULL OR model = @model)
         ORDER BY provider, model, version
        """;

    // Jobs that wait because there was no price go on, two hundred a second, when every worker knows it.
    private const string AddSql = """
        WITH added AS (
            INSERT INTO prices (provider, model, version, valid_from, input, cached, output, reasoning, set_by)
            SELECT @provider, @model, coalesce(max(version), 0) + 1, coalesce(@valid_from, now()), @input, @cached, @output, @reasoning, @set_by
              FROM prices WHERE provider = @provider AND model = @model
            RETURNING provider, model, version, valid_from, input, cached, output, reasoning, set_by
        ), waiting AS (
            SELECT id, row_number() OVER (ORDER BY priority, due_at) AS place FROM jobs
             WHERE status IN (1, 5) AND waiting_reason LIKE 'budget:%' AND waiting_reason = 'budget:unpriced:' || @provider || '/' || @model
               AND status = 5
        ), released AS (
            UPDATE jobs j SET due_at = least(j.due_at, greatest(now(), (SELECT valid_from FROM added)) + interval '3 seconds' + w.place * interval '5 milliseconds')
              FROM waiting w WHERE j.id = w.id AND j.status::int = 5
        )
        SELECT * FROM added
        """;

    private const string SeedSql = """
        INSERT INTO prices (provider, model, version, valid_from, input, cached, output, reasoning, set_by)
        SELECT @provider, @model, coalesce(max(version), 0) + 1, now(), @input, @cached, @output, @reasoning, 'configuration'
          FROM prices WHERE provider = @provider AND model = @model
        HAVING NOT EXISTS (
            SELECT 1 FROM (SELECT * FROM prices WHERE provider = @provider AND model = @model AND set_by = 'configuration'
                            ORDER BY version DESC LIMIT 1) last
             WHERE (last.input, last.cached, last.output, last.reasoning) = (@input, @cached, @output, @reasoning))
        ON CONFLICT DO NOTHING
        """;

    /// <param name="provider">Only of this provider; null is all.</param>
    /// <param name="model">Only of this model; null is all.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Every version, also those to come, by deployment and version.</returns>
    public async Task<IReadOnlyList<Price>> ListAsync(string? provider, string? model, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(ListSql);
        command.Parameters.AddWithValue("provider", NpgsqlDbType.Text, (object?)provider ?? DBNull.Value);
        command.Parameters.AddWithValue("model", NpgsqlDbType.Text, (object?)model ?? DBNull.Value);
        return await command.ReadPricesAsync(cancellationToken);
    }

    /// <summary>Adds a version. Of two at once one is told to come again, by <see cref="PostgresErrorCodes.UniqueViolation"/>, and does.</summary>
    public async Task<Price> AddAsync(
        string provider,
        string model,
        PriceRates rates,
        DateTimeOffset? validFrom,
        string setBy,
        CancellationToken cancellationToken
    )
    {
        while (true)
        {
            try
            {
                await using var batch = database.CreateAudited(AddSql, out var command);
                Add(command.Parameters, provider, model, rates);
                command.Parameters.AddWithValue(
                    "valid_from",
                    NpgsqlDbType.TimestampTz,
                    (object?)validFrom?.ToUniversalTime() ?? DBNull.Value
                );
                command.Parameters.AddWithValue("set_by", setBy);
                return (await batch.ReadAllAsync(PriceRows.Read, cancellationToken)).Single();
            }
            catch (PostgresException twin) when (twin.SqlState == PostgresErrorCodes.UniqueViolation)
            {
                // Somebody else has this number: ours is the next.
            }
        }
    }

    /// <summary>Adds what configuration says, where that is news; a price that was set since stays until configuration changes.</summary>
    public async Task SeedAsync(IEnumerable<ConfiguredPrice> prices, CancellationToken cancellationToken)
    {
        foreach (var price in prices)
        {
            await using var command = database.CreateCommand(SeedSql);
            Add(command.Parameters, price.Provider, price.Model, price.Rates);
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
    }

    private static void Add(NpgsqlParameterCollection parameters, string provider, string model, PriceRates rates)
    {
        parameters.AddWithValue("provider", provider);
        parameters.AddWithValue("model", model);
        parameters.AddWithValue("input", rates.Input);
        parameters.AddWithValue("cached", rates.Cached);
        parameters.AddWithValue("output", rates.Output);
        parameters.AddWithValue("reasoning", rates.Reasoning);
    }
}

internal static class PriceRows
{
    public static async Task<IReadOnlyList<Price>> ReadPricesAsync(this NpgsqlCommand command, CancellationToken cancellationToken)
    {
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    public static Price Read(NpgsqlDataReader row) =>
        new(
            row.GetString(0),
            row.GetString(1),
            row.GetInt32(2),
            row.GetFieldValue<DateTimeOffset>(3),
            new PriceRates(row.GetDecimal(4), row.GetDecimal(5), row.GetDecimal(6), row.GetDecimal(7))
        )
        {
            SetBy = row.GetString(8),
        };
}
