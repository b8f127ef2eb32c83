using AiBackend.Api.Problems;
using Microsoft.Extensions.Options;
using static System.FormattableString;

namespace AiBackend.Api.Auth.Limits;

/// <summary>Counts requests by where they come from, whoever they say they are, in this process' memory: nobody takes a server by many keys, or by none.</summary>
internal sealed class AddressLimits(IOptions<AttemptOptions> options, TimeProvider clock)
{
    private readonly MinuteCounts<string> _counts = new(clock);

    /// <summary>Comes before anybody is looked up.</summary>
    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var (taken, wait) = _counts.Add(AttemptLimits.PlaceOf(context.Connection.RemoteIpAddress));
        var most = options.Value.AddressRequestsPerMinute;
        if (taken <= most)
        {
            return next(context);
        }

        UsedUp.Tell(context.Response, "address", most, wait);
        var detail = Invariant($"Your address has used up its limit of this server, which is {most} requests a minute. Ask less often.");
        return context.RefuseAsync(ProblemTypes.AddressLimitReached.With(detail) with { RetryAfter = wait });
    }
}
