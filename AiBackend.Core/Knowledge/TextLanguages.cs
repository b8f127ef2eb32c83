namespace AiBackend.Core.Knowledge;

/// <summary>Languages whose words Postgres knows the stems of; every installation has these.</summary>
public static class TextLanguages
{
    /// <summary>Where nobody says.</summary>
    public const string Default = "english";

    /// <summary>As Postgres names its text search configurations; <c>simple</c> takes words as they are.</summary>
    public static IReadOnlyList<string> All { get; } =
    [
        "simple",
        "arabic",
        "danish",
        "dutch",
        Default,
        "finnish",
        "french",
        "german",
        "greek",
        "hungarian",
        "indonesian",
        "irish",
        "italian",
        "lithuanian",
        "norwegian",
        "portuguese",
        "romanian",
        "russian",
        "spanish",
        "swedish",
        "turkish",
    ];
}
