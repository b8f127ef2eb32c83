using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>What a request means, however it was spelled: member order, white space and defaults written out do not count.</summary>
internal static class JobFingerprint
{
    // U+0000 is refused in every string, so it separates without any escaping. Empty strings are refused too, so that an
    // absent member is unlike any present one.
    private const char Separator = '\0';

    /// <summary>SHA-256 over every member of the draft that the caller decides.</summary>
    public static byte[] Of(JobDraft draft)
    {
        var meaning = string.Join(
            Separator,
            "1",
            draft.Type.ToWire(),
            draft.Priority.ToWire(),
            draft.Model,
            draft.MaxAttempts.ToString(CultureInfo.InvariantCulture),
            draft.NotBefore?.ToString("O", CultureInfo.InvariantCulture),
            draft.Deadline?.ToString("O", CultureInfo.InvariantCulture),
            draft.Feature,
            draft.EndUser,
            draft.Metadata,
            draft.Input
        );
        // Appended only where it is given: requests without it mean what they meant to the version before.
        if (draft.MaxCostUsd is { } cost)
        {
            meaning += Separator + cost.ToString("G29", CultureInfo.InvariantCulture);
        }

        if (draft.CacheKey is not null)
        {
            meaning += Separator + "cache";
        }

        if (draft.WebhookUrl is { } url)
        {
            meaning += Separator + "webhook" + Separator + url;
        }

        if (draft.Terms is { } terms)
        {
            meaning += Separator + "terms" + Separator + terms;
        }

        return SHA256.HashData(Encoding.UTF8.GetBytes(meaning));
    }
}
