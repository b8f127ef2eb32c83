namespace AiBackend.Web.Answers;

/// <summary>One block of an answer.</summary>
/// <param name="Html">Checked markup, safe to insert as it is.</param>
/// <param name="Plain">The same as plain text, for the screen reader's region.</param>
/// <param name="Settled">True when more text cannot change it.</param>
public sealed record AnswerBlock(string Html, string Plain, bool Settled);
