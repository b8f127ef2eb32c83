using System.Diagnostics;

namespace AiBackend.Core.Contracts.Schemas;

/// <summary>Ends a look at an answer that takes too long: whoever writes the schema, and whoever writes the answer, may mean harm.</summary>
internal sealed class EvaluationBudget
{
    /// <summary>How long one look may take.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(250);

    // A step is a schema laid on a value, some ten of them in a microsecond: what this many cost is far less than the time, whose check costs more.
    private const int StepsBetweenLooks = 256;
    private const int DeepestCalls = 400;

    private readonly long _startedAt = Stopwatch.GetTimestamp();
    private int _steps;
    private int _depth;

    /// <summary>What is left of the time; more than nothing, as those want it who take a limit.</summary>
    public TimeSpan Left
    {
        get
        {
            var left = Longest - Stopwatch.GetElapsedTime(_startedAt);
            return left > TimeSpan.Zero ? left : throw new EvaluationLimitException();
        }
    }

    /// <summary>Goes one schema deeper.</summary>
    /// <exception cref="EvaluationLimitException">It has taken too long, or a reference leads in a circle.</exception>
    public void Enter()
    {
        if (++_depth > DeepestCalls || (++_steps % StepsBetweenLooks == 0 && Left == TimeSpan.Zero))
        {
            throw new EvaluationLimitException();
        }
    }

    public void Leave() => _depth--;
}

/// <summary>A contract could not be laid on an answer within its bounds.</summary>
#pragma warning disable RCS1194 // Nobody else has anything to say about it.
internal sealed class EvaluationLimitException() : Exception("cannot be checked within 250 ms.");
#pragma warning restore RCS1194
