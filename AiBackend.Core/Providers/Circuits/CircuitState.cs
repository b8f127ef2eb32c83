namespace AiBackend.Core.Providers.Circuits;

/// <summary>Whether a deployment may be asked.</summary>
internal enum CircuitState
{
    /// <summary>It may.</summary>
    Closed = 0,

    /// <summary>One call at a time finds out whether it is well again.</summary>
    HalfOpen = 1,

    /// <summary>Nobody asks for a while.</summary>
    Open = 2,
}

/// <summary>What a call says about the health of its deployment.</summary>
internal enum CircuitVerdict
{
    /// <summary>Nothing: it was aborted by us, or failed for a reason we do not know.</summary>
    None,

    /// <summary>It was answered in full.</summary>
    Answered,

    /// <summary>It was refused by a server that is well: a limit, a key, a faulty request. Neither good nor bad among other calls; a probe that gets this far has found it up.</summary>
    Refused,

    /// <summary>No connection, an error of its own, too slow, cut off in the middle, not readable, or without an end.</summary>
    Outage,
}
