using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace AiBackend.Core.Audit;

/// <summary>Writes down who asked for what another tenant has, after he was told that there is no such thing.</summary>
/// <remarks>
/// Whether it exists is looked up off the request's path, one at a time: the answer is the same, and as fast, as for what nobody has. The
/// row is the operators', because in the caller's own log it would say that the thing exists.
/// </remarks>
public sealed class ForeignAttempts(
    [FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource database,
    AuditLog audit,
    DroppedNotes dropped,
    TimeProvider clock,
    ILogger<ForeignAttempts> logger
) : BackgroundService
{
    /// <summary>The action of such a row.</summary>
    public const string Action = "cross_tenant_attempt";

    private const int MostWaiting = 1_000;
    private const int MostRemembered = 10_000;
    private static readonly Guid Operators = new("00000000-0000-7000-8000-000000000001");
    private static readonly TimeSpan Once = TimeSpan.FromMinutes(10);

    /// <summary>By kind: whose it is. Each finds a row by its key.</summary>
    private static readonly Dictionary<string, string> Owners = new(StringComparer.Ordinal)
    {
        ["job"] = "SELECT tenant_id FROM jobs WHERE id = @id",
        ["bulk_action"] = "SELECT tenant_id FROM bulk_actions WHERE id = @id",
        ["alert"] = "SELECT tenant_id FROM alerts WHERE id = @id",
        ["budget"] = "SELECT tenant_id FROM budgets WHERE id = @id",
        ["webhook"] =
            "SELECT tenant_id FROM webhook_endpoints WHERE id = @id UNION ALL SELECT tenant_id FROM webhook_sources WHERE id = @id",
        ["file"] = "SELECT tenant_id FROM files WHERE id = @id",
        ["batch"] = "SELECT tenant_id FROM batches WHERE id = @id",
        ["delivery"] = "SELECT tenant_id FROM webhook_deliveries WHERE id = @id LIMIT 1",
        ["key"] = "SELECT tenant_id FROM api_keys WHERE key_id = @name",
    };

    private readonly ConcurrentDictionary<(string Actor, string Name), long> _told = new();
    private readonly Channel<(AuditActor Actor, string Kind, string Name)> _waiting = Channel.CreateBounded<(AuditActor, string, string)>(
        new BoundedChannelOptions(MostWaiting) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true },
        note => dropped.Add(note.Item1.Actor, Action)
    );

    /// <summary>Notes that somebody was told that there is no such thing.</summary>
    /// <param name="actor">Who asked.</param>
    /// <param name="kind">For what.</param>
    /// <param name="name">Which, as it was asked for.</param>
    public void Note(AuditActor actor, string kind, string name)
    {
        var now = clock.GetTimestamp();
        if (_told.TryGetValue((actor.Actor, name), out var at) && clock.GetElapsedTime(at, now) < Once)
        {
            return;
        }

        if (_told.Count >= MostRemembered)
        {
            _told.Clear();
        }

        _told[(actor.Actor, name)] = now;
        _waiting.Writer.TryWrite((actor, kind, name));
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await foreach (var (actor, kind, name) in _waiting.Reader.ReadAllAsync(stoppingToken))
        {
            try
            {
                await LookAsync(actor, kind, name, stoppingToken);
            }
            catch (Exception failure) when (StorageFailures.MayCome(failure))
            {
                // Safe to go on: he was told nothing.
                logger.RefusalNotRecorded(failure, Action, actor.Actor);
            }
        }
    }

    private async Task LookAsync(AuditActor actor, string kind, string name, CancellationToken cancellationToken)
    {
        var isId = Guid.TryParse(name, out var id);
        if (!Owners.TryGetValue(kind, out var sql) || (!isId && kind != "key"))
        {
            return;
        }

#pragma warning disable CA2100 // Constants of this class.
        await using var command = database.CreateCommand(sql);
#pragma warning restore CA2100
        command.Parameters.AddWithValue("id", id);
        command.Parameters.AddWithValue("name", name);
        if (await command.ExecuteScalarAsync(cancellationToken) is Guid owner && owner != actor.TenantId)
        {
            var detail = new JsonObject
            {
                ["owner"] = owner,
                ["by"] = actor.TenantId,
                ["asked"] = actor.Action,
            };
            var row = actor with { TenantId = Operators, Action = Action };
            await audit.AddAsync(row, kind, name, detail.ToJsonString(), cancellationToken);
        }
    }
}
