using System.Security.Cryptography;
using System.Text;
using AiBackend.Core.Jobs;

namespace AiBackend.Core.Cache;

/// <summary>What makes two requests equal: tenant, type, route or model, the whole input and the terms, to the letter.</summary>
public static class CacheKey
{
    // U+0000 is refused in every string, so it separates without any escaping.
    private const char Separator = '\0';

    /// <summary>SHA-256 of it. The input is as it is stored: written anew from what was read, so that spelling does not count.</summary>
    public static byte[] Of(JobDraft draft)
    {
        var meaning = string.Join(Separator, "1", draft.TenantId, draft.Type.ToWire(), draft.Model, draft.Input);
        // Appended only where there are some: other requests are equal to those of the version before.
        return SHA256.HashData(Encoding.UTF8.GetBytes(draft.Terms is { } terms ? meaning + Separator + terms : meaning));
    }
}
