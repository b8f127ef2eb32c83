using System.Globalization;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Reviews;
using AiBackend.Core.Database;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Jobs.Waits;

/// <summary>A place among reviews: after it the next page begins.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Attempt">Its attempt.</param>
public readonly record struct ReviewPlace(Guid JobId, int Attempt)
{
    /// <summary>As addresses have it.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{JobId:D}-{Attempt}");

    /// <summary>Reads what <see cref="ToString"/> wrote, and nothing else.</summary>
    public static bool TryParse(string? text, out ReviewPlace place)
    {
        place = default;
        if (
            text is not { Length: > 37 and <= 42 }
            || text[36] != '-'
            || !Guid.TryParseExact(text.AsSpan(0, 36), "D", out var jobId)
            || !short.TryParse(text.AsSpan(37), NumberStyles.None, CultureInfo.InvariantCulture, out var attempt)
        )
        {
            return false;
        }

        place = new(jobId, attempt);
        return true;
    }
}

/// <summary>Reads reviews for whoever decides them. Every read names its tenant.</summary>
public sealed class ReviewReads(NpgsqlDataSource database)
{
    /// <summary>More are not counted.</summary>
    public const int MostCounted = 1000;

    private const string Columns = """
        w.job_id, w.attempt, w.version, w.question, w.asked_at, w.timeout_at, w.on_timeout, w.claimed_by, w.claimed_until, w.claimed_until > now(),
               w.answered_at, w.answer, w.answered_by, w.edited_sha256 IS NOT NULL, w.overridden, w.answer_data, p.title, j.model, p.feature
        """;

    private const string Tables = "job_waits w JOIN jobs j ON j.id = w.job_id JOIN job_payloads p ON p.job_id = w.job_id";

    // Who waits longest comes first; of decided ones, the newest.
    private const string OpenSql = $"""
        SELECT {Columns} FROM {Tables}
         WHERE w.tenant_id = @tenant_id AND w.kind = 2 AND w.answered_at IS NULL AND (@reason IS NULL OR w.question::jsonb ->> 'reason' = @reason)
           AND (w.job_id, w.attempt) > (@job_id, @attempt)
         ORDER BY w.job_id, w.attempt LIMIT @limit
        """;

    private const string DecidedSql = $"""
        SELECT {Columns} FROM {Tables}
         WHERE w.tenant_id = @tenant_id AND w.kind = 2 AND w.answered_at IS NOT NULL AND (@reason IS NULL OR w.question::jsonb ->> 'reason' = @reason)
           AND (w.job_id, w.attempt) < (@job_id, @attempt)
         ORDER BY w.job_id DESC, w.attempt DESC LIMIT @limit
        """;

    private const string OneSql = $"""
        SELECT {Columns}, w.proposal, p.input, p.terms FROM {Tables}
         WHERE w.tenant_id = @tenant_id AND w.kind = 2 AND w.job_id = @job_id AND w.attempt = @attempt
        """;

    private const string CountSql = """
        SELECT count(*)::int FROM (
            SELECT 1 FROM job_waits WHERE tenant_id = @tenant_id AND kind = 2 AND answered_at IS NULL LIMIT @limit) open
        """;

    /// <param name="tenantId">Whose.</param>
    /// <param name="open">Open ones, the oldest job first; or decided ones, the newest first.</param>
    /// <param name="reason">Only of this reason; null is every.</param>
    /// <param name="after">Where the page begins; null is the beginning.</param>
    /// <param name="limit">How many.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public async Task<IReadOnlyList<Review>> ListAsync(
        Guid tenantId,
        bool open,
        string? reason,
        ReviewPlace? after,
        int limit,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommandFor(tenantId, open ? OpenSql : DecidedSql);
        var place = after ?? (open ? new(Guid.Empty, 0) : new(Guid.AllBitsSet, short.MaxValue));
        AddPlace(command.Parameters, tenantId, place);
        command.Parameters.AddWithValue("reason", NpgsqlDbType.Text, (object?)reason ?? DBNull.Value);
        command.Parameters.AddWithValue("limit", limit);
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    /// <returns>With everything that whoever decides must see; null when the tenant has no such review.</returns>
    public async Task<Review?> FindAsync(Guid tenantId, ReviewPlace place, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, OneSql);
        AddPlace(command.Parameters, tenantId, place);
        return await command.ReadAllAsync(ReadWhole, cancellationToken) is [var review] ? review : null;
    }

    /// <returns>How many are open, up to <see cref="MostCounted"/>.</returns>
    public async Task<int> CountOpenAsync(Guid tenantId, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, CountSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("limit", MostCounted);
        return (await command.ReadAllAsync(row => row.GetInt32(0), cancellationToken))[0];
    }

    private static void AddPlace(NpgsqlParameterCollection parameters, Guid tenantId, ReviewPlace place)
    {
        parameters.AddWithValue("tenant_id", tenantId);
        parameters.AddWithValue("job_id", place.JobId);
        parameters.AddWithValue("attempt", NpgsqlDbType.Smallint, (short)place.Attempt);
    }

    private static Review Read(NpgsqlDataReader row) => Read(row, QuestionOf(row));

    private static Review Read(NpgsqlDataReader row, ReviewQuestion question)
    {
        var isOpen = row.IsDBNull(10);
        return new()
        {
            Id = new ReviewPlace(row.GetGuid(0), row.GetInt16(1)).ToString(),
            JobId = row.GetGuid(0),
            Attempt = row.GetInt16(1),
            Version = row.GetInt32(2),
            State = isOpen ? ReviewStates.Open : ReviewStates.Decided,
            Reason = question.Reason ?? "",
            AskedAt = row.GetFieldValue<DateTimeOffset>(4),
            DueAt = row.Moment(5),
            OnTimeout = row.IsDBNull(5) ? null : ((WaitDefault)row.GetInt16(6)).ToWire(),
            Claim = isOpen && !row.IsDBNull(9) && row.GetBoolean(9) ? new(row.GetString(7), row.GetFieldValue<DateTimeOffset>(8)) : null,
            Decision = isOpen ? null : DecisionOf(row),
            Title = row.Text(16),
            Model = row.GetString(17),
            Feature = row.Text(18),
        };
    }

    private static Review ReadWhole(NpgsqlDataReader row)
    {
        var question = QuestionOf(row);
        var terms = JobTerms.Read(row.Text(21));
        return Read(row, question) with
        {
            Question = question,
            Proposal = row.Text(19),
            Input = JsonSerializer.Deserialize(row.GetString(20), WireJson.Default.JsonElement),
            Contract = terms.Contract,
            MayQuoteMore = terms is not { Retrieve: null, Conversation: null, Attachments: null, Tools: null },
        };
    }

    private static ReviewQuestion QuestionOf(NpgsqlDataReader row) =>
        JsonSerializer.Deserialize(row.GetString(3), ReviewQuestionJson.Default.ReviewQuestion) ?? new("");

    private static ReviewDecision DecisionOf(NpgsqlDataReader row)
    {
        var words = ReviewWords.Read(row.Text(15));
        return new(
            words.Approved ? ReviewDecisions.Approved : ((WaitAnswer)row.GetInt16(11)).ToDecision(),
            row.GetFieldValue<DateTimeOffset>(10)
        )
        {
            By = row.Text(12),
            Edited = row.GetBoolean(13),
            Overridden = row.GetBoolean(14),
            Comment = words.Comment,
            Check = words.Check,
        };
    }
}
