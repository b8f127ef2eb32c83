using System.Diagnostics;
using AiBackend.Bench.Stack;

namespace AiBackend.Bench.Scenarios;

/// <summary>Looks once a second at who holds slots and what the leader allows, and reads afterwards how long jobs waited.</summary>
internal sealed class PressureWatch(BenchStack stack)
{
    private const string SampleSql = """
        SELECT (SELECT count(*) FROM jobs WHERE status = 2 AND priority = 2),
               coalesce((SELECT batch_share FROM line_outlook), 1), coalesce((SELECT usual_share FROM line_outlook), 1)
        """;

    // One that has not begun has waited until now.
    private const string WaitsSql = """
        SELECT extract(epoch FROM created_at - @begin)::float8, extract(epoch FROM coalesce(started_at, now()) - created_at)::float8 * 1000
          FROM jobs WHERE priority = 0
        """;

    private readonly DateTimeOffset _begin = TimeProvider.System.GetUtcNow();
    private readonly Stopwatch _watch = Stopwatch.StartNew();

    public List<Sample> Samples { get; } = [];

    public static int Falls(IReadOnlyList<Sample> samples, Func<Sample, double> share) =>
        samples.Zip(samples.Skip(1)).Count(pair => share(pair.Second) < share(pair.First));

    public async Task RunAsync(CancellationToken stop)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1));
        try
        {
            while (await timer.WaitForNextTickAsync(stop))
            {
                await using var command = stack.Database.CreateCommand(SampleSql);
                await using var reader = await command.ExecuteReaderAsync(stop);
                await reader.ReadAsync(stop);
                Samples.Add(new(_watch.Elapsed, (int)reader.GetInt64(0), reader.GetDouble(1), reader.GetDouble(2)));
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The load is over.
        }
    }

    /// <summary>Seconds from a moment of the run until all jobs got the usual model again; NaN when they never did.</summary>
    public double BackAt(TimeSpan moment)
    {
        var last = Samples.FindLastIndex(sample => sample.UsualShare < 1);
        return last + 1 < Samples.Count ? (Samples[last + 1].At - moment).TotalSeconds : double.NaN;
    }

    /// <summary>Of every interactive job: when it was accepted, in seconds from a moment of the run, and how long it waited.</summary>
    public async Task<List<(double At, double Milliseconds)>> WaitsAsync(TimeSpan moment, CancellationToken cancellationToken)
    {
        await using var command = stack.Database.CreateCommand(WaitsSql);
        command.Parameters.AddWithValue("begin", _begin + moment);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var waits = new List<(double, double)>();
        while (await reader.ReadAsync(cancellationToken))
        {
            waits.Add((reader.GetDouble(0), reader.GetDouble(1)));
        }

        return waits;
    }

    internal readonly record struct Sample(TimeSpan At, int Batch, double BatchShare, double UsualShare);
}
