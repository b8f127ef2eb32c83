namespace AiBackend.Core.Providers.Admission;

/// <summary>Slows calls down for deployments that say they are asked too fast, over all workers together, and lets them come back.</summary>
public interface ICallPace
{
    /// <summary>The limit that is in the way, as <see cref="CallEntry.Full"/> names it and what waits for it says.</summary>
    const string Limit = "pace";

    /// <summary>Leave for one call. A short wait happens here.</summary>
    /// <returns>Null when the call may be made.</returns>
    ValueTask<CallEntry.Full?> EnterAsync(ChatDeployment deployment, CancellationToken cancellationToken);

    /// <summary>A call has been answered.</summary>
    void NoteAnswered(ChatDeployment deployment);

    /// <summary>The deployment has answered and said that little is left of what it allows.</summary>
    /// <param name="deployment">Which.</param>
    /// <param name="after">Until there is more; null when some is left.</param>
    /// <param name="perMinute">How many calls a minute it allows, if it said so.</param>
    void NoteScarce(ChatDeployment deployment, TimeSpan? after, double? perMinute);

    /// <summary>The deployment has said that it is asked too fast.</summary>
    /// <param name="deployment">Which.</param>
    /// <param name="after">When to ask again, if it said so.</param>
    /// <param name="perMinute">How many calls a minute it allows, if it said so.</param>
    void NoteTooFast(ChatDeployment deployment, TimeSpan? after, double? perMinute);
}

/// <summary>Nobody is slowed down: for processes that do not know of each other's calls.</summary>
internal sealed class NoPace : ICallPace
{
    public ValueTask<CallEntry.Full?> EnterAsync(ChatDeployment deployment, CancellationToken cancellationToken) =>
        ValueTask.FromResult<CallEntry.Full?>(null);

    public void NoteAnswered(ChatDeployment deployment) { }

    public void NoteScarce(ChatDeployment deployment, TimeSpan? after, double? perMinute) { }

    public void NoteTooFast(ChatDeployment deployment, TimeSpan? after, double? perMinute) { }
}
