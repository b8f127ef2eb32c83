using System.Text.RegularExpressions;
using AiBackend.Api.Problems;

namespace AiBackend.Api.Wire;

/// <summary>Names that callers give to what they make, and that stand in addresses.</summary>
internal static partial class ResourceNames
{
    public static bool IsName(string name) => Name().IsMatch(name);

    /// <param name="what">What is named: route, workflow, collection.</param>
    /// <param name="name">The name.</param>
    /// <param name="field">Under which it stands in the answer.</param>
    /// <returns>Why the name is refused, or null.</returns>
    public static Refusal? Check(string what, string name, string field = "name") =>
        IsName(name)
            ? null
            : ProblemTypes.InvalidValue.At(
                field,
                $"The {what} is called {Quoted.Of(name)}; a name has 1 to 64 letters, digits, '.', '_', '-' and begins with a letter or digit."
            );

    [GeneratedRegex("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Name();
}
