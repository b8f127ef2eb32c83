using System.Numerics;
using System.Runtime.InteropServices;

namespace AiBackend.Core.Knowledge;

/// <summary>How close vectors are. Those of length one are compared by one multiplication a number.</summary>
internal static class Similarity
{
    /// <summary>The same direction, of length one. A vector of zeros has none, and stays what it is: close to nothing.</summary>
    public static float[] OfLengthOne(ReadOnlySpan<float> vector)
    {
        var length = Math.Sqrt(Dot(vector, vector));
        var scaled = vector.ToArray();
        for (var i = 0; length > 0 && i < scaled.Length; i++)
        {
            scaled[i] = (float)(scaled[i] / length);
        }

        return scaled;
    }

    /// <summary>Of two vectors of length one: the cosine of the angle between them.</summary>
    public static double Dot(ReadOnlySpan<float> left, ReadOnlySpan<float> right)
    {
        var wideLeft = MemoryMarshal.Cast<float, Vector<float>>(left);
        var wideRight = MemoryMarshal.Cast<float, Vector<float>>(right);
        var sums = Vector<float>.Zero;
        for (var i = 0; i < wideLeft.Length; i++)
        {
            sums += wideLeft[i] * wideRight[i];
        }

        double sum = Vector.Sum(sums);
        for (var i = wideLeft.Length * Vector<float>.Count; i < left.Length; i++)
        {
            sum += left[i] * right[i];
        }

        return sum;
    }
}
