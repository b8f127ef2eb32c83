using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Operations;
using AiBackend.Core.Controls;
using AiBackend.Core.Controls.Caps;
using AiBackend.Core.Operations;

namespace AiBackend.Api.Controls;

/// <summary><c>/api/v1/queues</c>: what waits, and what operators hold back.</summary>
internal sealed class ControlRequests(ControlReads controls, HoldWork hold, StatsReads stats, QueueCaps caps, ControlRules rules)
{
    private const string Running = "running";

    public async Task ListAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var held = await controls.ListAsync(context.RequestAborted);
        var waiting = await stats.ReadQueueAsync(context.RequestAborted);
        var queues = waiting.Pools.Select(pool => new QueueInfo(
            pool.Pool,
            held.FirstOrDefault(control => control.Target == new ControlTarget(ControlKind.Queue, pool.Pool))?.Mode.ToWire() ?? Running,
            pool.Configured,
            pool.Depth,
            pool.OldestAgeSeconds
        ));
        var capacity = await caps.DescribeAsync();
        var list = new QueueList([.. queues], [.. held.Select(Describe)])
        {
            Capacity = new(capacity.Waiting, capacity.Most, capacity.PerSecond, capacity.Wait?.TotalSeconds, capacity.Reached),
        };
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, list, WireJson.Default.QueueList);
    }

    public Task PauseAsync(HttpContext context) => HoldAsync(context, ControlMode.Paused);

    public Task DrainAsync(HttpContext context) => HoldAsync(context, ControlMode.Draining);

    public async Task ResumeAsync(HttpContext context)
    {
        var (refusal, target, _) = await ReadAsync(context);
        // Also something that is no longer configured: whoever held it back before may let it go.
        if (
            refusal is null
            && !await hold.ResumeAsync(target, context.User.GetCaller().KeyId, context.RequestAborted)
            && rules.RefuseUnknown(target) is { } unknown
        )
        {
            refusal = unknown;
        }

        await (refusal is null ? AnswerAsync(context, Idle(target)) : context.RefuseAsync(refusal));
    }

    private async Task HoldAsync(HttpContext context, ControlMode mode)
    {
        var (refusal, target, reason) = await ReadAsync(context);
        refusal ??= rules.RefuseUnknown(target);
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        var held = await hold.HoldAsync(target, mode, reason, context.User.GetCaller().KeyId, context.RequestAborted);
        await (held is null ? context.RefuseAsync(ControlRules.Unknown(target)) : AnswerAsync(context, Describe(held)));
    }

    private static async Task<(Refusal? Refusal, ControlTarget Target, string? Reason)> ReadAsync(HttpContext context)
    {
        if (SubmitHeaders.CheckOptional(context.Request, out _) is { } badHeader)
        {
            return (badHeader, default, null);
        }

        using var body = await RequestBody.ReadAsync(context.Request);
        var refusal = ControlRules.TryRead(body.Bytes.Span, out var target, out var reason);
        return (refusal, target, reason);
    }

    private static Task AnswerAsync(HttpContext context, ControlInfo control) =>
        JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, control, WireJson.Default.ControlInfo);

    private static ControlInfo Idle(ControlTarget target) =>
        new()
        {
            Kind = target.Kind.ToWire(),
            Name = target.Name,
            Mode = Running,
        };

    private static ControlInfo Describe(Control control) =>
        Idle(control.Target) with
        {
            Mode = control.Mode.ToWire(),
            Reason = control.Reason,
            Since = control.SetAt,
            SetBy = control.SetBy,
        };
}
