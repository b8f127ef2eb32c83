using AiBackend.Core.Database;
using AiBackend.Core.Providers.Admission;
using AiBackend.Core.Providers.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Admission;

/// <summary>A call that asks to be counted in.</summary>
/// <param name="Deployment">Provider and model.</param>
/// <param name="Limits">What they allow.</param>
/// <param name="Caller">Who asks.</param>
/// <param name="Input">Estimated tokens of the prompt.</param>
/// <param name="Output">Estimated tokens of the answer.</param>
internal sealed record Reservation(string Deployment, ProviderLimits Limits, ChatCaller Caller, long Input, long Output);

/// <summary>How a reservation was answered.</summary>
/// <param name="Slot">Where it was counted; null when it was not.</param>
/// <param name="BlockedBy">Name of the limit in the way.</param>
/// <param name="Delay">When to come back.</param>
internal readonly record struct Reserved(long? Slot, string BlockedBy, TimeSpan Delay);

/// <summary>What a call used more, or less, than was reserved for it.</summary>
internal sealed record Settlement(Reservation Reservation, long Slot, long MoreInput, long MoreOutput);

/// <summary>The counters in Postgres (0012_limits.sql), asked for many calls in one round trip.</summary>
/// <remarks>
/// One row a deployment, locked for the decision: the counts are never those of two workers at odds, never lost with a cache, and a
/// repeat after a lost reply only counts too much. Why not Redis: docs/adr/0010.
/// </remarks>
internal sealed class CallWindows : IAsyncDisposable
{
    private const int MaxBatch = 256;
    private const int Capacity = 10_000;

    private const string ReserveSql = """
        SELECT i.n, r.reserved_slot, r.delay_ms, r.blocked_by
          FROM unnest(@deployment, @job_id, @epoch, @level, @has_turn, @input, @output, @max_requests, @max_input, @max_output, @max_tokens, @max_calls)
               WITH ORDINALITY AS i (deployment, job_id, epoch, level, has_turn, input, output, max_requests, max_input, max_output, max_tokens, max_calls, n)
         CROSS JOIN LATERAL reserve_call(
               i.deployment, @window_ms, i.job_id, i.epoch, i.level, i.has_turn, i.input, i.output,
               i.max_requests, i.max_input, i.max_output, i.max_tokens, i.max_calls) r
        """;

    private const string SettleSql = """
        SELECT settle_call(i.deployment, @window_ms, i.job_id, i.epoch, i.slot, i.more_input, i.more_output)
          FROM unnest(@deployment, @job_id, @epoch, @slot, @more_input, @more_output) AS i (deployment, job_id, epoch, slot, more_input, more_output)
        """;

    private readonly NpgsqlDataSource _database;
    private readonly IStorageWatch _storage;
    private readonly ILogger<CallWindows> _logger;
    private readonly long _windowMs;
    private readonly CommitLoop<Pending> _reserving;
    private readonly CommitLoop<Settlement> _settling;

    public CallWindows(
        [FromKeyedServices(DatabaseRegistration.HotPath)] NpgsqlDataSource database,
        IStorageWatch storage,
        IOptions<AdmissionOptions> options,
        ILogger<CallWindows> logger
    )
    {
        _database = database;
        _storage = storage;
        _logger = logger;
        _windowMs = (long)options.Value.Window.TotalMilliseconds;
        _reserving = new(Capacity, MaxBatch, ReserveAsync);
        _settling = new(Capacity, MaxBatch, SettleAsync);
    }

    /// <summary>Counts a call in, or says when to come back. Waits for an absent Postgres.</summary>
    public async Task<Reserved> ReserveAsync(Reservation reservation, CancellationToken cancellationToken)
    {
        while (true)
        {
            await _storage.WaitUntilBackAsync(cancellationToken);
            var pending = new Pending(reservation);
            if (!_reserving.TryAdd(pending))
            {
                throw new InvalidOperationException($"More than {Capacity} calls wait to be counted in.");
            }

            try
            {
                return await pending.Answer.Task.WaitAsync(cancellationToken);
            }
            catch (Exception failure) when (_storage.Report(failure))
            {
                // It may be counted; then it counts twice, for one window.
                await Task.Delay(TimeSpan.FromMilliseconds(100), cancellationToken);
            }
        }
    }

    /// <summary>Without waiting. What gets lost is reserved too much, for one window.</summary>
    public void Settle(Settlement settlement) => _settling.TryAdd(settlement);

    public async ValueTask DisposeAsync()
    {
        await _reserving.DisposeAsync();
        await _settling.DisposeAsync();
    }

    private async Task ReserveAsync(IReadOnlyList<Pending> batch)
    {
        // Rows are locked in this order; and in a deployment the urgent go first.
        var sorted = batch
            .OrderBy(pending => pending.Reservation.Deployment, StringComparer.Ordinal)
            .ThenBy(pending => !pending.Reservation.Caller.HasTurn)
            .ThenBy(pending => pending.Reservation.Caller.Level)
            .ToList();
        try
        {
            // None: whoever gave up waiting is one of many.
            await TransientRetry.RunAsync(_ => ReserveOnceAsync(sorted), CancellationToken.None);
        }
        catch (Exception failure)
        {
            sorted.ForEach(pending => pending.Answer.TrySetException(failure));
        }
    }

    private async Task<int> ReserveOnceAsync(List<Pending> batch)
    {
        await using var hot = await HotCommand.OpenAsync(
            _database,
            ReserveSql,
            parameters => Fill(parameters, batch),
            CancellationToken.None
        );
        await using var reader = await hot.Command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
        {
            var answer = batch[(int)reader.GetInt64(0) - 1].Answer;
            answer.TrySetResult(
                await reader.GetFieldValueAsync<long?>(1) is { } slot
                    ? new(slot, "", TimeSpan.Zero)
                    : new(null, reader.GetString(3), TimeSpan.FromMilliseconds(reader.GetInt64(2)))
            );
        }

        return batch.Count;
    }

    private void Fill(NpgsqlParameterCollection parameters, List<Pending> batch)
    {
        var calls = batch.ConvertAll(pending => pending.Reservation);
        parameters.AddColumn("deployment", NpgsqlDbType.Text, calls, call => call.Deployment);
        parameters.AddColumn("job_id", NpgsqlDbType.Uuid, calls, call => call.Caller.WorkId);
        parameters.AddColumn("epoch", NpgsqlDbType.Integer, calls, call => call.Caller.Epoch);
        parameters.AddColumn("level", NpgsqlDbType.Smallint, calls, call => (short)call.Caller.Level);
        parameters.AddColumn("has_turn", NpgsqlDbType.Boolean, calls, call => call.Caller.HasTurn);
        parameters.AddColumn("input", NpgsqlDbType.Bigint, calls, call => call.Input);
        parameters.AddColumn("output", NpgsqlDbType.Bigint, calls, call => call.Output);
        parameters.AddColumn("max_requests", NpgsqlDbType.Bigint, calls, call => call.Limits.RequestsPerMinute);
        parameters.AddColumn("max_input", NpgsqlDbType.Bigint, calls, call => call.Limits.InputTokensPerMinute);
        parameters.AddColumn("max_output", NpgsqlDbType.Bigint, calls, call => call.Limits.OutputTokensPerMinute);
        parameters.AddColumn("max_tokens", NpgsqlDbType.Bigint, calls, call => call.Limits.TokensPerMinute);
        parameters.AddColumn("max_calls", NpgsqlDbType.Bigint, calls, call => call.Limits.ConcurrentCalls);
        parameters.AddWithValue("window_ms", NpgsqlDbType.Bigint, _windowMs);
    }

    private async Task SettleAsync(IReadOnlyList<Settlement> batch)
    {
        try
        {
            await TransientRetry.RunAsync(_ => SettleOnceAsync(batch), CancellationToken.None);
        }
        catch (Exception failure)
        {
            // Safe to go on: what was reserved counts until its window is over, and a call that is open no longer than its job's lease.
            if (!_storage.Report(failure))
            {
                _logger.SettlementFailed(failure, batch.Count);
            }
        }
    }

    private async Task<int> SettleOnceAsync(IReadOnlyList<Settlement> batch)
    {
        var sorted = batch.OrderBy(settlement => settlement.Reservation.Deployment, StringComparer.Ordinal).ToList();
        await using var hot = await HotCommand.OpenAsync(
            _database,
            SettleSql,
            parameters =>
            {
                parameters.AddColumn("deployment", NpgsqlDbType.Text, sorted, each => each.Reservation.Deployment);
                parameters.AddColumn("job_id", NpgsqlDbType.Uuid, sorted, each => each.Reservation.Caller.WorkId);
                parameters.AddColumn("epoch", NpgsqlDbType.Integer, sorted, each => each.Reservation.Caller.Epoch);
                parameters.AddColumn("slot", NpgsqlDbType.Bigint, sorted, each => each.Slot);
                parameters.AddColumn("more_input", NpgsqlDbType.Bigint, sorted, each => each.MoreInput);
                parameters.AddColumn("more_output", NpgsqlDbType.Bigint, sorted, each => each.MoreOutput);
                parameters.AddWithValue("window_ms", NpgsqlDbType.Bigint, _windowMs);
            },
            CancellationToken.None
        );
        return await hot.Command.ExecuteNonQueryAsync();
    }

    private sealed record Pending(Reservation Reservation)
    {
        public TaskCompletionSource<Reserved> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
