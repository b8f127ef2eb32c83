namespace AiBackend.Api.OpenAi.Calls;

/// <summary>Who waits here for which job: a request and its repeat may wait for the same one, and only the last who leaves leaves it alone.</summary>
internal sealed class AttachedCallers
{
    private readonly Lock _gate = new();
    private readonly Dictionary<Guid, int> _counts = [];

    /// <summary>Whether anybody waits here.</summary>
    public bool Any
    {
        get
        {
            lock (_gate)
            {
                return _counts.Count > 0;
            }
        }
    }

    public void Enter(Guid jobId)
    {
        lock (_gate)
        {
            _counts[jobId] = _counts.GetValueOrDefault(jobId) + 1;
        }
    }

    /// <returns>Whether nobody waits for the job any more.</returns>
    public bool Leave(Guid jobId)
    {
        lock (_gate)
        {
            if (--_counts[jobId] > 0)
            {
                return false;
            }

            _counts.Remove(jobId);
            return true;
        }
    }
}
