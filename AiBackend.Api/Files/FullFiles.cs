using AiBackend.Api.Problems;

namespace AiBackend.Api.Files;

/// <summary>A tenant whose files take all the room they may.</summary>
internal static class FullFiles
{
    public static readonly Refusal Refusal = ProblemTypes.FilesFull.With(
        "The files of this tenant take all the room they may (Files__MaxBytesPerTenant). Delete some, or wait until some expire."
    );
}
