using AiBackend.Api.Auth;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.Core.Files;

namespace AiBackend.Api.Files;

/// <summary>The file that an address names, whichever front door it belongs to.</summary>
internal static class FoundFile
{
    /// <param name="context">The request.</param>
    /// <param name="store">Where to look.</param>
    /// <param name="parse">Reads an id as the door writes it; null when it is none.</param>
    /// <returns>The file, or why there is none.</returns>
    public static async Task<(Refusal? Refusal, StoredFile File)> FindFileAsync(
        this HttpContext context,
        FileStore store,
        Func<string, Guid?> parse
    )
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            return (unknown, null!);
        }

        var id = (string)context.Request.RouteValues["id"]!;
        return parse(id) is { } fileId && await store.FindAsync(context.GetTenantId(), fileId, context.RequestAborted) is { } file
            ? (null, file)
            : (Unknown(id), null!);
    }

    public static Refusal Unknown(string id) =>
        ProblemTypes.FileNotFound.At(
            "id",
            $"There is no file {Quoted.Of(id)}. Check the id, that it has not expired, and that the key belongs to the tenant that has it."
        );
}
