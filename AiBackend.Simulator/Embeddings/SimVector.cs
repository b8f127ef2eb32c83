using System.Text;

namespace AiBackend.Simulator.Embeddings;

/// <summary>A text as a vector: always the same, of length one, and closer to that of a text with the same words.</summary>
internal static class SimVector
{
    public const int UsualLength = 256;

    public static float[] Of(string text, int length)
    {
        var vector = new float[length];
        foreach (var word in text.ToLowerInvariant().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Append("."))
        {
            var hash = Hash(word);
            vector[hash % (uint)length] += (hash >> 31) == 0 ? 1 : -1;
        }

        var norm = MathF.Sqrt(vector.Sum(number => number * number));
        return norm == 0 ? [1, .. new float[length - 1]] : [.. vector.Select(number => number / norm)];
    }

    /// <summary>FNV-1a: the same in every process.</summary>
    private static uint Hash(string word)
    {
        var hash = 2166136261;
        foreach (var part in Encoding.UTF8.GetBytes(word))
        {
            hash = (hash ^ part) * 16777619;
        }

        return hash;
    }
}
