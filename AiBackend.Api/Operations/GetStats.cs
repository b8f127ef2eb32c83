using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.Core.Operations;

namespace AiBackend.Api.Operations;

/// <summary><c>GET /api/v1/stats</c>: how the system does, over the latest <c>window</c> seconds.</summary>
internal sealed class GetStats(StatsReads stats)
{
    public const int MinWindow = 60;
    public const int MaxWindow = 86_400;
    public const int DefaultWindow = 900;

    public async Task HandleAsync(HttpContext context)
    {
        var window = DefaultWindow;
        var refusal =
            QueryParameters.CheckNames(context.Request, "window")
            ?? QueryParameters.TryReadNumber(context.Request, "window", MinWindow, MaxWindow, DefaultWindow, out window);
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        var read = await stats.ReadAsync(TimeSpan.FromSeconds(window), context.RequestAborted);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, read, WireJson.Default.Stats);
    }
}
