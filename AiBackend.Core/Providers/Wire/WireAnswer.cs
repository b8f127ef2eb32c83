namespace AiBackend.Core.Providers.Wire;

/// <summary>An answer whose head has come and whose body may now be read.</summary>
/// <param name="Response">What to dispose when it is read, or not wanted any more.</param>
/// <param name="Content">The bytes as they come.</param>
/// <param name="Encoding">How they are packed; null when they are not.</param>
/// <param name="Header">A header of the answer by its name; null when it was not sent.</param>
internal sealed record WireAnswer(IDisposable Response, Stream Content, string? Encoding, Func<string, string?> Header);
