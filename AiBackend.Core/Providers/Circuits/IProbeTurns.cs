namespace AiBackend.Core.Providers.Circuits;

/// <summary>Whose turn it is to find out whether a deployment that is down is well again, over all processes that ask it.</summary>
public interface IProbeTurns
{
    /// <summary>Asks for the turn; called just before the request is sent.</summary>
    /// <param name="provider">The provider's configured name.</param>
    /// <param name="model">The model.</param>
    /// <param name="openFor">How long this process has not asked it.</param>
    /// <param name="cancellationToken">Ends the wait for the answer.</param>
    ValueTask<ProbeTurn> TakeAsync(string provider, string model, TimeSpan openFor, CancellationToken cancellationToken);
}

/// <summary>The answer to who finds out.</summary>
public abstract record ProbeTurn
{
    private ProbeTurn() { }

    /// <summary>This process, with one call, now.</summary>
    public sealed record Granted : ProbeTurn;

    /// <summary>Another one did a moment ago.</summary>
    /// <param name="Wait">Until anybody may again.</param>
    public sealed record Taken(TimeSpan Wait) : ProbeTurn;

    /// <summary>Another one has found it well.</summary>
    public sealed record Well : ProbeTurn;
}

/// <summary>For a process that knows of no other.</summary>
internal sealed class OwnProbeTurns : IProbeTurns
{
    public ValueTask<ProbeTurn> TakeAsync(string provider, string model, TimeSpan openFor, CancellationToken cancellationToken) =>
        ValueTask.FromResult<ProbeTurn>(new ProbeTurn.Granted());
}
