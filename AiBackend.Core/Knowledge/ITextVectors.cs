using AiBackend.ApiContracts.Knowledge;

namespace AiBackend.Core.Knowledge;

/// <summary>Who wants texts as vectors, and pays for them.</summary>
/// <param name="TenantId">The tenant.</param>
/// <param name="KeyId">Public id of the key that asks; null where none does.</param>
public readonly record struct KnowledgeAsker(Guid TenantId, string? KeyId = null)
{
    /// <summary>Somebody waits for the answer.</summary>
    public bool Waits { get; init; }

    /// <summary>How long they may take at most, where that is less than usual; null where nothing else has to fit into the asker's time.</summary>
    public TimeSpan? Patience { get; init; }

    /// <summary>It was refused before: the call is in its provider's retry budget.</summary>
    public bool AsksAgain { get; init; }
}

/// <summary>What became of texts that were to be vectors.</summary>
public abstract record VectorsMade
{
    private VectorsMade() { }

    /// <summary>They are vectors now.</summary>
    /// <param name="Model">Who made them.</param>
    /// <param name="Vectors">One for each text, in order, each of length one.</param>
    public sealed record Made(string Model, IReadOnlyList<float[]> Vectors) : VectorsMade;

    /// <summary>Not now.</summary>
    /// <param name="Reason">Of <see cref="KnowledgeReasons"/>.</param>
    /// <param name="After">When to ask again; null when nobody knows.</param>
    public sealed record Refused(string Reason, TimeSpan? After) : VectorsMade
    {
        /// <summary>One of the texts may be why, or how we ask: who asks for each alone learns which.</summary>
        public bool MayBeOfOne { get; init; }
    }

    /// <summary>The model does not take one of these texts, however often it is asked.</summary>
    public sealed record NotTaken : VectorsMade;
}

/// <summary>Turns texts into vectors. The one thing that searching by meaning needs of models.</summary>
public interface ITextVectors
{
    /// <summary>The model that would be asked now, with what is asked of it; null when there is none. Another one makes all vectors anew.</summary>
    string? Model { get; }

    /// <summary>Asks for all of them in one call.</summary>
    /// <param name="asker">For whom.</param>
    /// <param name="texts">At least one.</param>
    /// <param name="cancellationToken">Aborts the call.</param>
    Task<VectorsMade> MakeAsync(KnowledgeAsker asker, IReadOnlyList<string> texts, CancellationToken cancellationToken);
}

/// <summary>Where no model is set for it.</summary>
internal sealed class NoTextVectors : ITextVectors
{
    public string? Model => null;

    public Task<VectorsMade> MakeAsync(KnowledgeAsker asker, IReadOnlyList<string> texts, CancellationToken cancellationToken) =>
        Task.FromResult<VectorsMade>(new VectorsMade.Refused(KnowledgeReasons.NoModel, null));
}
