using AiBackend.Web.Runs;

namespace AiBackend.Web.Ask;

/// <summary>The idempotency key of a form: minted when it opens, kept while the same request is tried again.</summary>
/// <remarks>A double click, a lost answer or a reload sends the same key with the same body, so one run comes of it.</remarks>
internal sealed class SubmissionKey
{
    private string _key = Mint();
    private string? _digest;

    /// <summary>The key for this request. A changed request is another one and gets another key.</summary>
    public string For(string text, string model, params IEnumerable<Guid> files)
    {
        var digest = TextDigest.Of(string.Concat(files.Select(file => file + "\n")) + model + "\n" + text);
        if (_digest is not null && !string.Equals(_digest, digest, StringComparison.Ordinal))
        {
            _key = Mint();
        }

        _digest = digest;
        return _key;
    }

    /// <summary>Continues with a key that was used before this page was loaded.</summary>
    public void Restore(string? saved)
    {
        if (saved?.Split(' ') is [{ Length: > 0 and < 64 } key, { Length: 64 } digest])
        {
            (_key, _digest) = (key, digest);
        }
    }

    public string Save() => $"{_key} {_digest}";

    private static string Mint() => "web-" + Guid.CreateVersion7().ToString("N");
}
