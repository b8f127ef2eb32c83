namespace AiBackend.Tests.Fixtures;

/// <summary>Tests that count what several processes do within seconds, or the memory of this one: nothing else runs meanwhile.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class AloneCollection
{
    public const string Name = "alone";
}
