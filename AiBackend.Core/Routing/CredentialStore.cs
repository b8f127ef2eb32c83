using AiBackend.ApiContracts.Routing;
using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace AiBackend.Core.Routing;

/// <summary>Keys of providers that were set in place of the configured ones. They go in and never come out again but to make calls.</summary>
public sealed class CredentialStore([FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource database, CredentialSeal seal)
{
    private const string SetSql = """
        WITH raised AS (
            UPDATE routing_revision SET revision = revision + 1 RETURNING revision
        )
        INSERT INTO provider_credentials (provider, model, sealed, hint, set_by)
        SELECT @provider, @model, @sealed, @hint, @set_by FROM raised
        ON CONFLICT (provider, model) DO UPDATE SET sealed = excluded.sealed, hint = excluded.hint, set_by = excluded.set_by, set_at = now()
        RETURNING set_at
        """;

    private const string RemoveSql = """
        WITH raised AS (
            UPDATE routing_revision SET revision = revision + 1
             WHERE EXISTS (SELECT 1 FROM provider_credentials WHERE provider = @provider AND model = @model) RETURNING revision
        )
        DELETE FROM provider_credentials WHERE provider = @provider AND model = @model AND EXISTS (SELECT 1 FROM raised)
        """;

    private const string ListSql =
        "SELECT provider, model, hint, set_at, set_by, sealed FROM provider_credentials ORDER BY provider, model";

    private const int HintLength = 4;

    /// <summary>Sets or replaces a key.</summary>
    /// <param name="provider">The provider's configured name.</param>
    /// <param name="model">The model; null for every other one of the provider.</param>
    /// <param name="value">The key.</param>
    /// <param name="setBy">Public id of the API key.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<Credential> SetAsync(string provider, string? model, string value, string setBy, CancellationToken cancellationToken)
    {
        var hint = value[^HintLength..];
        await using var batch = database.CreateAudited(SetSql, out var command);
        command.Parameters.AddWithValue("provider", provider);
        command.Parameters.AddWithValue("model", model ?? "");
        command.Parameters.AddWithValue("sealed", seal.Seal(provider, model ?? "", value));
        command.Parameters.AddWithValue("hint", hint);
        command.Parameters.AddWithValue("set_by", setBy);
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return new Credential(provider, model, hint, await reader.GetFieldValueAsync<DateTimeOffset>(0, cancellationToken), setBy);
    }

    /// <returns>False when there was none.</returns>
    public async Task<bool> RemoveAsync(string provider, string? model, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAudited(RemoveSql, out var command);
        command.Parameters.AddWithValue("provider", provider);
        command.Parameters.AddWithValue("model", model ?? "");
        return await batch.ExecuteNonQueryAsync(cancellationToken) > 0;
    }

    /// <summary>All of them, without the keys.</summary>
    public async Task<IReadOnlyList<Credential>> ListAsync(CancellationToken cancellationToken) =>
        [.. (await ReadAsync(cancellationToken)).Select(row => row.Credential)];

    /// <summary>All of them; a key that the present secret does not open is null.</summary>
    internal async Task<IReadOnlyList<(Credential Credential, string? Value)>> ReadAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(ListSql);
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    private (Credential Credential, string? Value) Read(NpgsqlDataReader row)
    {
        var (provider, model) = (row.GetString(0), row.GetString(1));
        var shown = new Credential(
            provider,
            model.Length == 0 ? null : model,
            row.GetString(2),
            row.GetFieldValue<DateTimeOffset>(3),
            row.GetString(4)
        );
        return (shown, seal.Open(provider, model, row.GetFieldValue<byte[]>(5)));
    }
}
