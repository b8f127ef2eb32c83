using System.Collections.Concurrent;
using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace AiBackend.Core.Tenancy;

/// <summary>Why a job's key no longer lets it run.</summary>
public enum KeyRefusal
{
    /// <summary>It was revoked after it had submitted the job, or while servers still accepted it. One that expired, or was rolled, has done nothing wrong.</summary>
    Revoked,

    /// <summary>It may ask for this model no more.</summary>
    Model,
}

/// <summary>What the keys behind running jobs may do now, for workers: time lies between a job's submission and its run.</summary>
public interface IKeyGrants
{
    /// <param name="keyId">Public id of the key that submitted the job.</param>
    /// <param name="model">What the job asks for; null asks for none.</param>
    /// <param name="submittedAt">When that was, by Postgres' clock, which also dates revocations.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Null when it may run; also while Postgres does not say and never said: the job's claim is known to be good.</returns>
    ValueTask<KeyRefusal?> RefuseAsync(string keyId, string? model, DateTimeOffset submittedAt, CancellationToken cancellationToken);
}

internal sealed class KeyGrants([FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource database, TimeProvider clock)
    : IKeyGrants
{
    private const int MaxCached = 10_000;

    // With the wait of a claim's own, within the 5 s in which a revocation counts everywhere.
    private static readonly TimeSpan Freshness = TimeSpan.FromSeconds(4);

    // Let in at the last moment, a job waits for the commit before its own, and each is a statement of up to 5 s. What is submitted later is
    // a replay, and somebody else's wish.
    private static readonly TimeSpan AcceptedStill = ApiKeyStore.LongestTrust + TimeSpan.FromSeconds(10);

    private const string Sql = "SELECT revoked_at, allowed_models FROM api_keys WHERE key_id = @key_id";

    private readonly ConcurrentDictionary<string, Known> _known = new(StringComparer.Ordinal);

    public async ValueTask<KeyRefusal?> RefuseAsync(
        string keyId,
        string? model,
        DateTimeOffset submittedAt,
        CancellationToken cancellationToken
    )
    {
        var known = _known.GetValueOrDefault(keyId);
        if (known is null || clock.GetElapsedTime(known.At) >= Freshness)
        {
            try
            {
                known = await ReadAsync(keyId, cancellationToken);
                if (_known.Count >= MaxCached)
                {
                    _known.Clear();
                }

                _known[keyId] = known;
            }
            catch (Exception failure) when (StorageFailures.MayCome(failure))
            {
                // What was known counts on; nothing of the job can be written meanwhile either.
            }
        }

        return known is null ? null
            : known.RevokedAt + AcceptedStill > submittedAt ? KeyRefusal.Revoked
            : model is null || ModelList.Has(known.AllowedModels, model) ? null
            : KeyRefusal.Model;
    }

    private async Task<Known> ReadAsync(string keyId, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(Sql);
        command.Parameters.AddWithValue("key_id", keyId);
        var at = clock.GetTimestamp();
        var rows = await command.ReadAllAsync(
            row => new Known(at, row.Moment(0), row.IsDBNull(1) ? null : row.GetFieldValue<string[]>(1)),
            cancellationToken
        );
        return rows is [var key] ? key : new Known(at, null, null);
    }

    private sealed record Known(long At, DateTimeOffset? RevokedAt, IReadOnlyList<string>? AllowedModels);
}
