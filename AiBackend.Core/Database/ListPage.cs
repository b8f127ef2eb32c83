namespace AiBackend.Core.Database;

/// <summary>Which part of a list.</summary>
/// <param name="After">The last one of the page before; null begins.</param>
/// <param name="Ascending">Oldest first.</param>
/// <param name="Limit">How many.</param>
public sealed record ListPage(Guid? After, bool Ascending, int Limit);
