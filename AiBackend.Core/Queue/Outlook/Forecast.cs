namespace AiBackend.Core.Queue.Outlook;

/// <summary>When a job may start, from how many are ahead of it and how fast slots become free. Pure.</summary>
public static class Forecast
{
    // The quantile of nine in ten of a normal distribution.
    internal const double NineInTen = 1.2816;

    /// <summary>Seconds until start: the middle, and what nine in ten do not exceed.</summary>
    /// <param name="ahead">Jobs that go first.</param>
    /// <param name="perSecond">Slots that become free.</param>
    /// <remarks>
    /// Ends of jobs come about as at random, so the time until the n-th of them is gamma distributed; these are Wilson's and Hilferty's
    /// approximations of its quantiles.
    /// </remarks>
    public static (double P50, double P90) Of(double ahead, double perSecond)
    {
        var ends = Math.Max(0, ahead) + 1;
        return (Quantile(0) / perSecond, Quantile(NineInTen) / perSecond);

        double Quantile(double normal)
        {
            var root = 1 - (1 / (9 * ends)) + (normal / (3 * Math.Sqrt(ends)));
            return ends * root * root * root;
        }
    }
}
