namespace AiBackend.Core.Money;

/// <summary>Where a call stands in the ledger; stored.</summary>
public enum CallState : short
{
    /// <summary>Its money is set aside; it is not sent.</summary>
    Reserved = 0,

    /// <summary>It is sent, or about to be.</summary>
    Sent = 1,

    /// <summary>What it cost is known.</summary>
    Settled = 2,

    /// <summary>It was never made.</summary>
    Released = 3,

    /// <summary>It was made, and nobody knows what it used: what was reserved counts as spent.</summary>
    Unknown = 4,
}

/// <summary>Names on the wire.</summary>
public static class CallStates
{
    /// <summary>Of a state.</summary>
    public static string ToWire(this CallState state) =>
        state switch
        {
            CallState.Reserved => "reserved",
            CallState.Sent => "sent",
            CallState.Settled => "settled",
            CallState.Released => "released",
            CallState.Unknown => "unknown_spend",
            _ => "unknown",
        };
}
