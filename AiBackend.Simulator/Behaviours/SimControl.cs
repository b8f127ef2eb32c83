namespace AiBackend.Simulator.Behaviours;

/// <summary>One thing that can be set: as <c>x-sim-…</c> header, as member of a <c>sim</c> object, or in configuration.</summary>
internal sealed record SimControl(string Name, string Help, Func<SimBehaviour, string, SimBehaviour> Apply)
{
    public string Header => "x-sim-" + Name.Replace('_', '-');
}
