using System.Globalization;

namespace AiBackend.Bench.Load;

/// <summary>The expected mix of work: 60 % of the jobs take 0.3 s, 30 % take 2 s and 10 % take 20 s, with log-normal tails; 0.2 to 20 KB of input.</summary>
/// <param name="longest">Seconds of the third kind: less where there is no time for them.</param>
/// <param name="speed">How many times as fast as that everything is.</param>
internal sealed class JobMix(double longest, double speed)
{
    /// <summary>Submissions a second that are expected at the speed 1.</summary>
    public const double Expected = 30;

    /// <summary>Jobs of this feature are the fast ones.</summary>
    public const string Fast = "fast";

    private const double Tail = 0.3;
    private const double LeastBytes = 200;
    private const double MostBytes = 20_000;
    private static readonly string Padding = new('x', (int)MostBytes);
    private readonly Random _random = new(11);

    /// <summary>Mean of the time that a job takes, in seconds.</summary>
    public double Mean => ((0.6 * 0.3) + (0.3 * 2) + (0.1 * longest)) * Math.Exp(Tail * Tail / 2) / speed;

    /// <summary>Arrivals at random, so many a second on the average.</summary>
    public IEnumerable<(TimeSpan At, string Body)> Arrivals(double perSecond, TimeSpan length)
    {
        for (var at = Pause(perSecond); at < length.TotalSeconds; at += Pause(perSecond))
        {
            yield return (TimeSpan.FromSeconds(at), Body());
        }
    }

    private string Body()
    {
        var (feature, seconds) = _random.NextDouble() switch
        {
            < 0.6 => (Fast, 0.3),
            < 0.9 => ("medium", 2),
            _ => ("long", longest),
        };
        var run = (int)(seconds * Math.Exp(Tail * Normal()) * 1000 / speed);
        var bytes = (int)(LeastBytes * Math.Pow(MostBytes / LeastBytes, _random.NextDouble()));
        return string.Create(
            CultureInfo.InvariantCulture,
            $$$"""{"type":"noop","feature":"{{{feature}}}","input":{"milliseconds":{{{run}}},"padding":"{{{Padding.AsSpan(0, bytes)}}}"}}"""
        );
    }

    private double Pause(double perSecond) => -Math.Log(1 - _random.NextDouble()) / perSecond;

    private double Normal() => Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble())) * Math.Cos(2 * Math.PI * _random.NextDouble());
}
