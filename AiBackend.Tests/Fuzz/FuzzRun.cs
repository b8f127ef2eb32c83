using System.Diagnostics;
using FsCheck;
using FsCheck.Fluent;

namespace AiBackend.Tests.Fuzz;

/// <summary>Gives a parser bytes that it did not ask for, and holds it to its time and memory.</summary>
internal static class FuzzRun
{
    // For inputs of some hundred bytes both are a thousand times what they take.
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(1);
    private const long MostBytes = 64 * 1024 * 1024;

    // Of an input that took long: what is slow by itself is slow each time.
    private const int Repeats = 5;

    private static readonly TimeSpan LongRun = TimeSpan.FromMinutes(15);

    /// <param name="name">Whose saved inputs come first.</param>
    /// <param name="inputs">What it is given then.</param>
    /// <param name="parse">The parser.</param>
    public static void Check(string name, Gen<byte[]> inputs, Func<byte[], bool> parse)
    {
        Replay(name, parse);
        Check(inputs, parse, Config.QuickThrowOnFailure.WithMaxTest(1_000));
    }

    /// <param name="name">Whose saved inputs come first.</param>
    /// <param name="inputs">What it is given then.</param>
    /// <param name="parse">The parser.</param>
    /// <param name="parsers">So many share the time.</param>
    public static void CheckForLong(string name, Gen<byte[]> inputs, Func<byte[], bool> parse, int parsers)
    {
        Replay(name, parse);
        var watch = Stopwatch.StartNew();
        while (watch.Elapsed < LongRun / parsers)
        {
            Check(inputs, parse, Config.QuickThrowOnFailure.WithMaxTest(10_000));
        }
    }

    private static void Replay(string name, Func<byte[], bool> parse)
    {
        foreach (var saved in SavedInputs.Of(name))
        {
            Survives(parse, saved);
        }
    }

    private static void Check(Gen<byte[]> inputs, Func<byte[], bool> parse, Config config) =>
        Prop.ForAll(inputs.ToArbitrary(), input => Survives(parse, input)).Check(config);

    private static void Survives(Func<byte[], bool> parse, byte[] input)
    {
        var shown = Convert.ToBase64String(input);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var watch = Stopwatch.StartNew();
        try
        {
            parse(input);
        }
        catch (Exception surprise) when (surprise is not Xunit.Sdk.XunitException)
        {
            throw new InvalidOperationException($"Threw on {shown}", surprise);
        }

        var (took, bytes) = (watch.Elapsed, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(took < Longest || Enumerable.Range(0, Repeats).Any(_ => IsQuick(parse, input)), $"Took {took} for {shown}");
        Assert.True(bytes < MostBytes, $"Took too much memory for {shown}");
    }

    /// <summary>Once more: the machine may have had other things to do, and may have them still.</summary>
    private static bool IsQuick(Func<byte[], bool> parse, byte[] input)
    {
        var watch = Stopwatch.StartNew();
        parse(input);
        return watch.Elapsed < Longest;
    }
}
