using System.Text;
using System.Text.Json.Nodes;
using AiBackend.Api.Audit;
using AiBackend.Api.Auth;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.Core.Audit;
using AiBackend.Core.Privacy;
using AiBackend.Core.Tenancy;

namespace AiBackend.Api.Privacy;

/// <summary><c>GET /api/v1/tenants/{slug}/export</c>: all that is stored of a tenant, a row a line.</summary>
internal sealed class ExportTenant(TenantExport export, TenantOfAddress tenants, OperatorLook look, AuditLog audit) : IDisposable
{
    // Each reads as fast as its caller takes it; the connections are few.
    private const int AtOnce = 2;
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(30);

    private readonly SemaphoreSlim _running = new(AtOnce);

    public async Task HandleAsync(HttpContext context)
    {
        var (refusal, tenant) = await FindAsync(context);
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        if (!await _running.WaitAsync(TimeSpan.Zero, context.RequestAborted))
        {
            await context.RefuseAsync(
                ProblemTypes.Overloaded.With($"{AtOnce} exports are running here, which is as many as may. Try again later.") with
                {
                    RetryAfter = Pause,
                }
            );
            return;
        }

        try
        {
            await SendAsync(context, tenant!);
        }
        finally
        {
            _running.Release();
        }
    }

    public void Dispose() => _running.Dispose();

    private async Task<(Refusal? Refusal, TenantRecord? Tenant)> FindAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request, OperatorLook.Parameter) is { } unknown)
        {
            return (unknown, null);
        }

        var (refusal, tenant) = await tenants.FindAsync(context);
        if (refusal is not null)
        {
            return (refusal, null);
        }

        if (tenant!.Id != context.GetTenantId() && context.User.GetCaller().IsOperator())
        {
            return (await look.NoteAsync(context, tenant.Id, "tenant", tenant.Slug), tenant);
        }

        await audit.AddAsync(
            AuditedRequests.ActorOf(context)! with
            {
                TenantId = tenant.Id,
            },
            "tenant",
            tenant.Slug,
            null,
            context.RequestAborted
        );
        return (null, tenant);
    }

    private async Task SendAsync(HttpContext context, TenantRecord tenant)
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
            context.RequestAborted
        );
        var rows = 0L;
        await foreach (var (table, json) in export.ReadAsync(tenant.Id, context.RequestAborted))
        {
            await WriteAsync(response, $$"""{"table":"{{table}}","row":{{json}}}""", context.RequestAborted);
            rows++;
        }

        // Whoever does not find this at the end does not have all.
        await WriteAsync(response, FormattableString.Invariant($$"""{"end":true,"rows":{{rows}}}"""), context.RequestAborted);
    }

    private static async Task WriteAsync(HttpResponse response, string line, CancellationToken cancellationToken) =>
        await response.Body.WriteAsync(Encoding.UTF8.GetBytes(line + "\n"), cancellationToken);
}
