using AiBackend.Simulator.Behaviours;

namespace AiBackend.Simulator.Streaming;

/// <summary>How long to wait: the wished time, or a log-normal draw around it as its median.</summary>
internal static class Timings
{
    public static TimeSpan FirstToken(SimBehaviour behaviour) => Draw(behaviour.TimeToFirstToken, behaviour.TimeToFirstTokenSigma);

    public static TimeSpan NextToken(SimBehaviour behaviour) => Draw(behaviour.TokenInterval, behaviour.TokenIntervalSigma);

    private static TimeSpan Draw(TimeSpan median, double sigma)
    {
        if (sigma <= 0)
        {
            return median;
        }

        // Box–Muller; 1 - x because the logarithm of 0 is not a number.
        var normal = Math.Sqrt(-2 * Math.Log(1 - Random.Shared.NextDouble())) * Math.Cos(2 * Math.PI * Random.Shared.NextDouble());
        return median * Math.Min(Math.Exp(sigma * normal), 100);
    }
}
