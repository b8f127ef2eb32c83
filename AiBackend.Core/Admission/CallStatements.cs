using AiBackend.Core.Database;
using AiBackend.Core.Money;
using AiBackend.Core.Providers.Admission;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Admission;

/// <summary>The statements of a call's life, each for many calls.</summary>
/// <param name="database">The source of hot statements.</param>
/// <param name="window">The length of "a minute".</param>
/// <param name="clock">Tells when calls were asked for.</param>
internal sealed class CallStatements(NpgsqlDataSource database, TimeSpan window, TimeProvider clock)
{
    private const string ReserveSql = """
        SELECT n, call_state, slot, delay_ms, blocked_by, granted_usd, granted_output
          FROM admit_calls(@window_ms, @deployment, @provider, @model, @job_id, @epoch, @call, @level, @has_turn, @input, @output, @max_requests,
                           @max_input, @max_output, @max_tokens, @max_calls, @tenant_id, @key_id, @feature, @end_user, @price_version, @amount, @max_cost,
                           @run_id, @run_cost, @run_tokens, @longest_amount, @longest)
        """;

    // A repeat after a lost reply finds it sent, by nobody but us.
    private const string ConfirmSql = """
        UPDATE provider_calls c SET state = 1 FROM unnest(@job_id, @epoch, @call) WITH ORDINALITY AS i (job_id, epoch, call, n)
         WHERE c.job_id = i.job_id AND c.lease_epoch = i.epoch AND c.call = i.call AND c.state::int IN (0, 1)
        RETURNING i.n
        """;

    private const string GiveBackSql =
        "SELECT settle_calls(@window_ms, @deployment, @job_id, @epoch, @call, @slot, @more_input, @more_output, @unsent)";

    private const string SettleSql = """
        SELECT close_calls(@job_id, @epoch, @call, @state, @input, @cached, @output, @reasoning, @cost)
        """;

    // In the transaction of the settlement, of which the rows and the day are known by then. Once for each call, also when it is repeated.
    private const string SettleDisputedSql = $"""
        {SettleSql};
        WITH disputed AS (
            UPDATE provider_calls c SET usage_disputed = true
              FROM unnest(@job_id, @epoch, @call, @disputed) AS i (job_id, epoch, call, disputed)
             WHERE i.disputed AND c.job_id = i.job_id AND c.lease_epoch = i.epoch AND c.call = i.call AND NOT c.usage_disputed
            RETURNING (c.ended_at AT TIME ZONE 'UTC')::date AS day, c.tenant_id, coalesce(c.key_id, '') AS key_id,
                      coalesce(c.end_user, '') AS end_user, coalesce(c.feature, '') AS feature, c.provider, c.model
        ), days AS (
            SELECT day, tenant_id, key_id, end_user, feature, provider, model, count(*) AS n FROM disputed GROUP BY 1, 2, 3, 4, 5, 6, 7
        )
        UPDATE usage_days u SET disputed_calls = u.disputed_calls + d.n FROM days d
         WHERE (u.tenant_id, u.day, u.key_id, u.end_user, u.feature, u.provider, u.model)
             = (d.tenant_id, d.day, d.key_id, d.end_user, d.feature, d.provider, d.model)
        """;

    private readonly long _windowMs = (long)window.TotalMilliseconds;

    /// <returns>In the order of the calls.</returns>
    public async Task<Reserved[]> ReserveAsync(IReadOnlyList<Reservation> calls)
    {
        await using var hot = await HotCommand.OpenAsync(
            database,
            ReserveSql,
            parameters => AddReservations(parameters, calls),
            CancellationToken.None
        );
        var at = clock.GetTimestamp();
        await using var reader = await hot.Command.ExecuteReaderAsync();
        var answers = new Reserved[calls.Count];
        while (await reader.ReadAsync())
        {
            answers[(int)reader.GetInt64(0) - 1] = ReadAnswer(reader) with { At = at };
        }

        return answers;
    }

    private static Reserved ReadAnswer(NpgsqlDataReader row) =>
        new(
            row.IsDBNull(2) ? null : row.GetInt64(2),
            row.IsDBNull(1) ? null : (CallState)row.GetInt16(1),
            row.IsDBNull(4) ? "" : row.GetString(4),
            TimeSpan.FromMilliseconds(row.IsDBNull(3) ? 0 : row.GetInt64(3))
        )
        {
            Amount = row.IsDBNull(5) ? null : row.GetDecimal(5),
            Output = row.IsDBNull(6) ? null : row.GetInt64(6),
        };

    public async Task<bool[]> ConfirmAsync(IReadOnlyList<ChatCaller> calls)
    {
        await using var hot = await HotCommand.OpenAsync(
            database,
            ConfirmSql,
            parameters => AddNames(parameters, calls),
            CancellationToken.None
        );
        await using var reader = await hot.Command.ExecuteReaderAsync();
        var confirmed = new bool[calls.Count];
        while (await reader.ReadAsync())
        {
            confirmed[reader.GetInt64(0) - 1] = true;
        }

        return confirmed;
    }

    /// <summary>Puts what calls have used in place of what was reserved of their deployments' limits, and makes room for others.</summary>
    /// <param name="calls">Those that have ended, and were counted.</param>
    /// <param name="isRepeat">It may be done. Then what they used less was given back: once more would open the limit too far.</param>
    public async Task<int> GiveBackAsync(IReadOnlyList<Settlement> calls, bool isRepeat)
    {
        var least = isRepeat ? 0 : long.MinValue;
        await using var hot = await HotCommand.OpenAsync(
            database,
            GiveBackSql,
            parameters =>
            {
                parameters.AddColumn("deployment", NpgsqlDbType.Text, calls, call => call.Reservation.Deployment.FullName);
                AddNames(parameters, [.. calls.Select(call => call.Reservation.Caller)]);
                parameters.AddColumn("slot", NpgsqlDbType.Bigint, calls, call => call.Slot!.Value);
                parameters.AddColumn("more_input", NpgsqlDbType.Bigint, calls, call => Math.Max(call.MoreInput, least));
                parameters.AddColumn("more_output", NpgsqlDbType.Bigint, calls, call => Math.Max(call.MoreOutput, least));
                parameters.AddColumn("unsent", NpgsqlDbType.Boolean, calls, call => call.State == CallState.Released && !isRepeat);
                parameters.AddWithValue("window_ms", NpgsqlDbType.Bigint, _windowMs);
            },
            CancellationToken.None
        );
        return await hot.Command.ExecuteNonQueryAsync();
    }

    /// <summary>Writes down how paid calls have ended. A repeat pays nothing twice.</summary>
    public async Task<int> SettleAsync(IReadOnlyList<Settlement> calls)
    {
        // A statement of its own: one in millions is disputed, and the others need not pay for it.
        var isDisputed = calls.Any(call => call.IsDisputed);
        await using var hot = await HotCommand.OpenAsync(
            database,
            isDisputed ? SettleDisputedSql : SettleSql,
            parameters => AddSettlements(parameters, calls, isDisputed),
            CancellationToken.None
        );
        return await hot.Command.ExecuteNonQueryAsync();
    }

    private void AddReservations(NpgsqlParameterCollection parameters, IReadOnlyList<Reservation> calls)
    {
        void Column<T>(string name, NpgsqlDbType type, Func<Reservation, T> value) => parameters.AddColumn(name, type, calls, value);

        AddNames(parameters, [.. calls.Select(call => call.Caller)]);
        Column("deployment", NpgsqlDbType.Text, call => call.Deployment.FullName);
        Column("provider", NpgsqlDbType.Text, call => call.Deployment.Provider);
        Column("model", NpgsqlDbType.Text, call => call.Deployment.Model);
        Column("level", NpgsqlDbType.Smallint, call => (short)call.Caller.Level);
        Column("has_turn", NpgsqlDbType.Boolean, call => call.HasTurn);
        Column("input", NpgsqlDbType.Bigint, call => call.Input);
        Column("output", NpgsqlDbType.Bigint, call => call.Output);
        Column("max_requests", NpgsqlDbType.Bigint, call => call.Deployment.Limits.RequestsPerMinute);
        Column("max_input", NpgsqlDbType.Bigint, call => call.Deployment.Limits.InputTokensPerMinute);
        Column("max_output", NpgsqlDbType.Bigint, call => call.Deployment.Limits.OutputTokensPerMinute);
        Column("max_tokens", NpgsqlDbType.Bigint, call => call.Deployment.Limits.TokensPerMinute);
        Column("max_calls", NpgsqlDbType.Bigint, call => call.Deployment.Limits.ConcurrentCalls);
        Column("tenant_id", NpgsqlDbType.Uuid, call => call.Caller.Payer?.TenantId);
        Column("key_id", NpgsqlDbType.Text, call => call.Caller.Payer?.KeyId);
        Column("feature", NpgsqlDbType.Text, call => call.Caller.Payer?.Feature);
        Column("end_user", NpgsqlDbType.Text, call => call.Caller.Payer?.EndUser);
        Column("price_version", NpgsqlDbType.Integer, call => call.Price?.Version);
        Column("amount", NpgsqlDbType.Numeric, call => call.Amount);
        Column("max_cost", NpgsqlDbType.Numeric, call => call.Caller.Payer?.MaxCostUsd);
        Column("run_id", NpgsqlDbType.Uuid, call => call.Caller.Payer?.Run?.Id);
        Column("run_cost", NpgsqlDbType.Numeric, call => call.Caller.Payer?.Run?.MaxCostUsd);
        Column("run_tokens", NpgsqlDbType.Bigint, call => call.Caller.Payer?.Run?.MaxTokens);
        Column("longest_amount", NpgsqlDbType.Numeric, call => call.LongestAmount);
        Column("longest", NpgsqlDbType.Bigint, call => call.Longest);
        parameters.AddWithValue("window_ms", NpgsqlDbType.Bigint, _windowMs);
    }

    private static void AddSettlements(NpgsqlParameterCollection parameters, IReadOnlyList<Settlement> calls, bool isDisputed)
    {
        void Column<T>(string name, NpgsqlDbType type, Func<Settlement, T> value) => parameters.AddColumn(name, type, calls, value);

        AddNames(parameters, [.. calls.Select(call => call.Reservation.Caller)]);
        Column("state", NpgsqlDbType.Smallint, call => (short)call.State);
        Column("input", NpgsqlDbType.Bigint, call => call.Usage?.InputTokens);
        Column("cached", NpgsqlDbType.Bigint, call => call.Usage?.CachedTokens);
        Column("output", NpgsqlDbType.Bigint, call => call.Usage?.OutputTokens);
        Column("reasoning", NpgsqlDbType.Bigint, call => call.Usage?.ReasoningTokens);
        Column("cost", NpgsqlDbType.Numeric, call => call.Cost);
        if (isDisputed)
        {
            Column("disputed", NpgsqlDbType.Boolean, call => call.IsDisputed);
        }
    }

    private static void AddNames(NpgsqlParameterCollection parameters, IReadOnlyList<ChatCaller> calls)
    {
        parameters.AddColumn("job_id", NpgsqlDbType.Uuid, calls, call => call.WorkId);
        parameters.AddColumn("epoch", NpgsqlDbType.Integer, calls, call => call.Epoch);
        parameters.AddColumn("call", NpgsqlDbType.Smallint, calls, call => (short)call.Call);
    }
}
