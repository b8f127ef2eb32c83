using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Tenancy.Users;

/// <summary>A person who signs in.</summary>
public sealed record UserRecord
{
    /// <summary>The id.</summary>
    public required Guid Id { get; init; }

    /// <summary>The organisation.</summary>
    public required Guid OrganisationId { get; init; }

    /// <summary>Slug of the organisation.</summary>
    public string Organisation { get; init; } = "";

    /// <summary>In lower case.</summary>
    public required string Email { get; init; }

    /// <summary>For people.</summary>
    public required string Name { get; init; }

    /// <summary>What the user may do.</summary>
    public required UserRole Role { get; init; }

    /// <summary>When it was made.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>Since when it may not sign in; null when it may.</summary>
    public DateTimeOffset? DisabledAt { get; init; }

    /// <summary>When it last signed in.</summary>
    public DateTimeOffset? LastSignInAt { get; init; }

    /// <summary>Who acts, in the audit log and elsewhere.</summary>
    public string Actor => ActorOf(Id);

    /// <summary>Who acts when it is this user.</summary>
    public static string ActorOf(Guid id) => $"usr_{id:N}";
}

/// <summary>Makes, shows and changes users.</summary>
public sealed class UserStore([FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource database, SessionStore sessions)
{
    private const string Columns = """
        u.id, u.organisation_id, o.slug, u.email, u.name, u.role, u.created_at, u.disabled_at, u.last_sign_in_at
        """;

    private const string AddSql = $"""
        WITH u AS (
            INSERT INTO users (id, organisation_id, email, name, role, password, created_by)
            SELECT @id, @organisation_id, @email, @name, @role, @password, @created_by
             WHERE @first_from IS NULL OR NOT EXISTS (SELECT 1 FROM users WHERE organisation_id = @organisation_id AND role >= @first_from)
            ON CONFLICT (email) DO NOTHING
            RETURNING *
        ), used AS (
            DELETE FROM setup_token WHERE EXISTS (SELECT 1 FROM u WHERE role = 3 AND organisation_id = '00000000-0000-7000-8000-000000000001')
        )
        SELECT {Columns} FROM u JOIN organisations o ON o.id = u.organisation_id
        """;

    // Held to the end of the transaction; the number is ours alone.
    private const string OneAtATimeSql = "DO $$ BEGIN PERFORM pg_advisory_xact_lock(4714855489); END $$";

    // Only what is asked for: whatever was read before may be another by now. Sessions of a user whose rights or password changed end with it, but the one in which it was changed: its holder has just shown who they are.
    private const string ChangeSql = $"""
        WITH u AS (
            UPDATE users SET name = coalesce(@name, name), role = coalesce(@role, role),
                   disabled_at = CASE WHEN @disabled IS NULL THEN disabled_at WHEN @disabled THEN coalesce(disabled_at, now()) END,
                   password = coalesce(@password, password), password_set_at = CASE WHEN @password IS NULL THEN password_set_at ELSE now() END
             WHERE id = @id RETURNING *
        ), over AS (
            DELETE FROM sessions WHERE user_id = @id AND (@disabled OR (@password IS NOT NULL AND hash IS DISTINCT FROM @kept AND hash IS DISTINCT FROM @kept_other))
        )
        SELECT {Columns} FROM u JOIN organisations o ON o.id = u.organisation_id
        """;

    private const string ListSql = $"""
        SELECT {Columns} FROM users u JOIN organisations o ON o.id = u.organisation_id
         WHERE (@organisation_id IS NULL OR u.organisation_id = @organisation_id) AND (@id IS NULL OR u.id = @id)
         ORDER BY u.email LIMIT 10000
        """;

    /// <param name="user">Who.</param>
    /// <param name="password">The password.</param>
    /// <param name="createdBy">Who asks; null when it is the first.</param>
    /// <param name="firstFrom">Only while the organisation has nobody of this role or a higher one; null is in any case.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Null when the address is taken, or there is somebody already.</returns>
    public async Task<UserRecord?> AddAsync(
        UserRecord user,
        string password,
        string? createdBy,
        UserRole? firstFrom,
        CancellationToken cancellationToken
    )
    {
        await using var batch = database.CreateAudited(AddSql, out var command);
        if (firstFrom is not null)
        {
            // In a statement of its own, so that the next one sees whoever was first.
            batch.BatchCommands.Insert(batch.BatchCommands.Count - 1, new NpgsqlBatchCommand(OneAtATimeSql));
        }

        AddValues(command.Parameters, user, password);
        command.Parameters.AddWithValue("organisation_id", user.OrganisationId);
        command.Parameters.AddWithValue("email", user.Email);
        command.Parameters.AddWithValue("created_by", NpgsqlDbType.Text, (object?)createdBy ?? DBNull.Value);
        command.Parameters.AddWithValue("first_from", NpgsqlDbType.Smallint, firstFrom is { } least ? (short)least : DBNull.Value);
        return (await batch.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
    }

    /// <summary>Sets what differs of name, role and whether it is disabled, and perhaps another password.</summary>
    /// <param name="was">As it was read.</param>
    /// <param name="wanted">As it is to be.</param>
    /// <param name="password">The new password; null leaves it.</param>
    /// <param name="token">Of the session that asks, which outlives another password; null when it is none.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Null when there is no such user.</returns>
    public async Task<UserRecord?> ChangeAsync(
        UserRecord was,
        UserRecord wanted,
        string? password,
        string? token,
        CancellationToken cancellationToken
    )
    {
        await using var batch = database.CreateAudited(ChangeSql, out var command);
        var parameters = command.Parameters;
        bool? disabled = (wanted.DisabledAt is null) == (was.DisabledAt is null) ? null : wanted.DisabledAt is not null;
        parameters.AddWithValue("id", was.Id);
        parameters.AddWithValue("name", NpgsqlDbType.Text, wanted.Name == was.Name ? DBNull.Value : wanted.Name);
        parameters.AddWithValue("role", NpgsqlDbType.Smallint, wanted.Role == was.Role ? DBNull.Value : (short)wanted.Role);
        parameters.AddWithValue("disabled", NpgsqlDbType.Boolean, (object?)disabled ?? DBNull.Value);
        parameters.AddWithValue("password", NpgsqlDbType.Text, password is null ? DBNull.Value : PasswordHash.Of(password));
        parameters.AddWithValue("kept", NpgsqlDbType.Bytea, token is null ? DBNull.Value : sessions.HashOf(token));
        var other = token is null ? null : sessions.OtherHashOf(token);
        parameters.AddWithValue("kept_other", NpgsqlDbType.Bytea, (object?)other ?? DBNull.Value);
        return (await batch.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
    }

    /// <param name="organisationId">Only of this organisation; null is all.</param>
    /// <param name="id">Only this one; null is all.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<IReadOnlyList<UserRecord>> ListAsync(Guid? organisationId, Guid? id, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(ListSql);
        command.Parameters.AddWithValue("organisation_id", NpgsqlDbType.Uuid, (object?)organisationId ?? DBNull.Value);
        command.Parameters.AddWithValue("id", NpgsqlDbType.Uuid, (object?)id ?? DBNull.Value);
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    private static void AddValues(NpgsqlParameterCollection parameters, UserRecord user, string? password)
    {
        parameters.AddWithValue("id", user.Id);
        parameters.AddWithValue("name", user.Name);
        parameters.AddWithValue("role", (short)user.Role);
        parameters.AddWithValue("password", NpgsqlDbType.Text, password is null ? DBNull.Value : PasswordHash.Of(password));
    }

    internal static UserRecord Read(NpgsqlDataReader row) =>
        new()
        {
            Id = row.GetGuid(0),
            OrganisationId = row.GetGuid(1),
            Organisation = row.GetString(2),
            Email = row.GetString(3),
            Name = row.GetString(4),
            Role = (UserRole)row.GetInt16(5),
            CreatedAt = row.GetFieldValue<DateTimeOffset>(6),
            DisabledAt = row.Moment(7),
            LastSignInAt = row.Moment(8),
        };
}
