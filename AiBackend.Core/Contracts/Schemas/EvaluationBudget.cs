using System.Diagnostics;
using System.Text.Json;

namespace AiBackend.Core.Contracts.Schemas;

/// <summary>Ends a look at an answer that takes too long: whoever writes the contract, and whoever writes the answer, may mean harm.</summary>
internal sealed class EvaluationBudget
{
    /// <summary>How long one look may take.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(250);

    // A step is a schema laid on a value, or an item or member looked at: some ten of them in a microsecond, and the slowest a millisecond.
    private const int StepsBetweenLooks = 16;
    private const int DeepestCalls = 400;

    private readonly long _startedAt = Stopwatch.GetTimestamp();
    private int _steps;
    private int _depth;

    /// <summary>Looks, and once more when that took too long: the machine may have stood still, or compiled what it runs for the first time.</summary>
    /// <exception cref="EvaluationLimitException">It took too long twice.</exception>
    public static T Within<T>(Func<EvaluationBudget, T> look)
    {
        try
        {
            return look(new EvaluationBudget());
        }
        catch (EvaluationLimitException)
        {
            return look(new EvaluationBudget());
        }
    }

    /// <summary>What is left of the time; more than nothing, as those want it who take a limit.</summary>
    /// <exception cref="EvaluationLimitException">Nothing is left.</exception>
    public TimeSpan Left
    {
        get
        {
            var left = Longest - Stopwatch.GetElapsedTime(_startedAt);
            return left > TimeSpan.Zero ? left : throw new EvaluationLimitException();
        }
    }

    /// <summary>Does a little more.</summary>
    /// <exception cref="EvaluationLimitException">It has taken too long.</exception>
    public void Step()
    {
        if (++_steps % StepsBetweenLooks == 0)
        {
            _ = Left;
        }
    }

    /// <summary>Goes one schema deeper.</summary>
    /// <exception cref="EvaluationLimitException">It has taken too long, or a reference leads in a circle.</exception>
    public void Enter()
    {
        if (++_depth > DeepestCalls)
        {
            throw new EvaluationLimitException();
        }

        Step();
    }

    public void Leave() => _depth--;

    /// <summary>Things one after the other, each a step.</summary>
    public IEnumerable<T> Each<T>(IEnumerable<T> things)
    {
        foreach (var thing in things)
        {
            Step();
            yield return thing;
        }
    }

    /// <summary>The members of an object, each a step.</summary>
    public IEnumerable<JsonProperty> Members(JsonElement value) => Each(value.EnumerateObject());

    /// <summary>The items of an array, each a step.</summary>
    public IEnumerable<JsonElement> Items(JsonElement value) => Each(value.EnumerateArray());
}

/// <summary>A contract could not be laid on an answer within its bounds.</summary>
#pragma warning disable RCS1194 // Nobody else has anything to say about it.
internal sealed class EvaluationLimitException() : Exception("cannot be checked within 250 ms.");
#pragma warning restore RCS1194
