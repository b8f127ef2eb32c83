using System.Security.Cryptography;
using System.Text;
using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace AiBackend.Core.Tenancy.Users;

/// <summary>Who may make the first administrator: whoever reads this installation's log. Made while there is none.</summary>
/// <remarks>Good for an hour; a server that starts later makes another in its place. In Development the development key does instead.</remarks>
public sealed class SetupToken(
    [FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource database,
    IHostEnvironment environment,
    ILogger<SetupToken> logger
) : BackgroundService
{
    private const string Prefix = "aibt_";

    // Of the installation: users of other organisations, and those who only look, cannot run it.
    private const string NoAdministrator =
        "NOT EXISTS (SELECT 1 FROM users WHERE organisation_id = '00000000-0000-7000-8000-000000000001' AND role = 3)";

    private const string MakeSql = $"""
        INSERT INTO setup_token (hash) SELECT @hash WHERE {NoAdministrator}
        ON CONFLICT (one) DO UPDATE SET hash = excluded.hash, made_at = now()
        """;

    private const string NeededSql = $"SELECT {NoAdministrator}";

    private const string CheckSql = $"""
        SELECT EXISTS (SELECT 1 FROM setup_token WHERE hash = @hash AND made_at > now() - interval '1 hour') AND {NoAdministrator}
        """;

    /// <summary>Whether the installation has no administrator yet.</summary>
    public async Task<bool> IsNeededAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(NeededSql);
        return (bool)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <summary>Whether it is the token that was told, while there is no administrator.</summary>
    public async Task<bool> IsRightAsync(string token, CancellationToken cancellationToken)
    {
        if (!SecretText.IsWhole(token, Prefix))
        {
            return false;
        }

        await using var command = database.CreateCommand(CheckSql);
        command.Parameters.AddWithValue("hash", HashOf(token));
        return (bool)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <summary>Makes a token in place of the one before, unless there is an administrator.</summary>
    /// <returns>Null when there is one.</returns>
    public async Task<string?> MakeAsync(CancellationToken cancellationToken)
    {
        var token = SecretText.Create(Prefix);
        await using var command = database.CreateCommand(MakeSql);
        command.Parameters.AddWithValue("hash", HashOf(token));
        return await command.ExecuteNonQueryAsync(cancellationToken) == 1 ? token : null;
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (environment.IsDevelopment())
        {
            return;
        }

        try
        {
            if (await MakeAsync(stoppingToken) is { } token)
            {
                logger.SetupTokenMade(token);
            }
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            logger.SetupTokenNotMade(failure);
        }
    }

    // Random and short-lived: there is nothing to try against the hash.
    private static byte[] HashOf(string token) => SHA256.HashData(Encoding.ASCII.GetBytes(token));
}
