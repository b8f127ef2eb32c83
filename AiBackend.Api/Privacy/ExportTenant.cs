using System.Collections.Concurrent;
using System.Text;
using System.Text.Json.Nodes;
using AiBackend.Api.Audit;
using AiBackend.Api.Auth;
using AiBackend.Api.Auth.Limits;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.Core.Audit;
using AiBackend.Core.Privacy;
using AiBackend.Core.Tenancy;

namespace AiBackend.Api.Privacy;

/// <summary><c>GET /api/v1/tenants/{slug}/export</c>: all that is stored of a tenant, a row a line.</summary>
internal sealed class ExportTenant(
    TenantExport export,
    TenantOfAddress tenants,
    OperatorLook look,
    AuditLog audit,
    LiveKeys keys,
    KeyRateLimits limits,
    TimeProvider clock
)
{
    // Each reads as fast as its caller takes it, and costs Postgres what it reads.
    private const int AtOnce = 2;
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Longest = TimeSpan.FromHours(2);
    private static readonly TimeSpan CheckEvery = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<Guid, bool> _running = new();

    public async Task HandleAsync(HttpContext context)
    {
        var (refusal, tenant) = await FindAsync(context);
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        // Before it is written down: what does not begin is no export.
        if (!TryBegin(tenant!.Id))
        {
            await context.RefuseAsync(
                ProblemTypes.Overloaded.With($"This server makes {AtOnce} exports at once, and one of a tenant. Try again later.") with
                {
                    RetryAfter = Pause,
                }
            );
            return;
        }

        try
        {
            await BeginAsync(context, tenant);
        }
        finally
        {
            _running.TryRemove(tenant.Id, out _);
        }
    }

    private async Task BeginAsync(HttpContext context, TenantRecord tenant)
    {
        using var key = keys.TryWatch(context, limits.MostStreams);
        var refusal = key is null ? limits.TooManyStreams(context.User.GetCaller().KeyId) : await NoteAsync(context, tenant);
        await (refusal is null ? SendAsync(context, tenant, key!.Revoked) : context.RefuseAsync(refusal));
    }

    private bool TryBegin(Guid tenantId)
    {
        if (!_running.TryAdd(tenantId, true))
        {
            return false;
        }

        // Two that come at the same moment may both go; there are never more than may be.
        if (_running.Count <= AtOnce)
        {
            return true;
        }

        _running.TryRemove(tenantId, out _);
        return false;
    }

    private async Task<(Refusal? Refusal, TenantRecord? Tenant)> FindAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request, OperatorLook.Parameter) is { } unknown)
        {
            return (unknown, null);
        }

        // What people wrote is in it.
        return context.User.GetCaller().Has(Policies.ReadJobs)
            ? await tenants.FindAsync(context)
            : (
                ProblemTypes.MissingScope.With(
                    $"An export has the tenant's jobs in it: it takes the scope {Policies.ReadJobs} too. Use a key, or sign in as a user, that has both."
                ),
                null
            );
    }

    /// <returns>Why it is not shown, or null.</returns>
    private async Task<Refusal?> NoteAsync(HttpContext context, TenantRecord tenant)
    {
        if (tenant.Id != context.GetTenantId() && context.User.GetCaller().IsOperator())
        {
            return await look.NoteAsync(context, tenant.Id, "tenant", tenant.Slug);
        }

        var actor = AuditedRequests.ActorOf(context)! with { TenantId = tenant.Id };
        await audit.AddAsync(actor, "tenant", tenant.Slug, null, context.RequestAborted);
        return null;
    }

    private async Task SendAsync(HttpContext context, TenantRecord tenant, CancellationToken revoked)
    {
        using var over = new CancellationTokenSource(Longest, clock);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, revoked, over.Token);
        try
        {
            await WriteAllAsync(context, tenant, over, stop.Token);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Nobody takes for all what has no end.
            context.Abort();
        }
    }

    private async Task WriteAllAsync(HttpContext context, TenantRecord tenant, CancellationTokenSource over, CancellationToken stop)
    {
        var response = context.Response;
        response.ContentType = "application/x-ndjson; charset=utf-8";
        response.Headers.ContentDisposition = $"attachment; filename=\"{tenant.Slug}.ndjson\"";
        response.Headers.CacheControl = "no-store";
        await WriteAsync(
            response,
            new JsonObject
            {
                ["tenant"] = tenant.Slug,
                ["id"] = tenant.Id,
                ["organisation"] = tenant.Organisation,
            }.ToJsonString(),
            stop
        );
        var (rows, checkedAt) = (0L, clock.GetTimestamp());
        await foreach (var (table, json) in export.ReadAsync(tenant.Id, stop))
        {
            await WriteAsync(response, $$"""{"table":"{{table}}","row":{{json}}}""", stop);
            rows++;
            if (clock.GetElapsedTime(checkedAt) >= CheckEvery)
            {
                checkedAt = clock.GetTimestamp();
                await StopIfGoneAsync(context, over);
            }
        }

        await StopIfGoneAsync(context, over);

        // Whoever does not find this at the end does not have all.
        await WriteAsync(response, FormattableString.Invariant($$"""{"end":true,"rows":{{rows}}}"""), stop);
    }

    /// <summary>What is left of a tenant that is being deleted would look like all there was.</summary>
    private async Task StopIfGoneAsync(HttpContext context, CancellationTokenSource over)
    {
        if ((await tenants.FindAsync(context)).Refusal is not null)
        {
            await over.CancelAsync();
        }
    }

    private static async Task WriteAsync(HttpResponse response, string line, CancellationToken cancellationToken) =>
        await response.Body.WriteAsync(Encoding.UTF8.GetBytes(line + "\n"), cancellationToken);
}
