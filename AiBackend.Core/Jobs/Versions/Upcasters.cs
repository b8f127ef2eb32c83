using System.Globalization;

namespace AiBackend.Core.Jobs.Versions;

/// <summary>Brings what an earlier version stored to the shape that this one reads, one version at a time.</summary>
/// <param name="current">The version that this build writes.</param>
/// <param name="steps">From each version that was ever written, but this one, to the next.</param>
/// <typeparam name="T">What is stored.</typeparam>
public sealed class Upcasters<T>(short current, IReadOnlyDictionary<short, Func<T, T>> steps)
{
    /// <summary>The value in the shape of this version. One of a newer version stays as it is: it may only have added to it.</summary>
    /// <exception cref="InvalidOperationException">No step leads from a version: its upcaster was removed too early.</exception>
    public T Read(short version, T stored)
    {
        for (; version < current; version++)
        {
            stored = steps.TryGetValue(version, out var step) ? step(stored) : throw Missing(version);
        }

        return stored;
    }

    private static InvalidOperationException Missing(short version) =>
        new(
            string.Create(
                CultureInfo.InvariantCulture,
                $"A stored {typeof(T).Name} has schema version {version}, and no upcaster leads on from it. Add it to StoredShapes."
            )
        );
}
