namespace AiBackend.Core.Queue.Order;

/// <summary>Shares of one lane: whoever has had the least for its weight goes next.</summary>
/// <remarks>
/// Deficit round robin with the rounds left out: the quantum is as small as may be, and the rounds in which nobody could go are skipped
/// by arithmetic. A tenant is charged when it is served and served when its turn of virtual time is the earliest, so that one who comes
/// now and then waits for nobody's old credit, and one who was idle has saved up nothing (start-time fair queueing, Goyal 1996).
/// </remarks>
internal sealed class VirtualTime
{
    private const int MostRemembered = 4096;

    private readonly Dictionary<Guid, double> _turns = [];
    private double _now;

    /// <summary>When the tenant's turn is.</summary>
    public double TurnOf(Guid tenant) => Math.Max(_now, _turns.GetValueOrDefault(tenant));

    /// <summary>Serves the tenant and puts its next turn behind what that cost.</summary>
    public void Charge(Guid tenant, double cost, double weight)
    {
        _now = TurnOf(tenant);
        _turns[tenant] = _now + (cost / weight);
        if (_turns.Count > MostRemembered)
        {
            Forget();
        }
    }

    /// <summary>Those whose debt is paid are as good as new.</summary>
    private void Forget()
    {
        foreach (var (tenant, _) in _turns.Where(turn => turn.Value <= _now).ToList())
        {
            _turns.Remove(tenant);
        }
    }
}
