namespace AiBackend.Tests.Fixtures;

/// <summary>Tests that count what several processes do within seconds: nothing else takes the machine's cores meanwhile.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class AloneCollection
{
    public const string Name = "alone";
}
