using AiBackend.Api.Auth;
using AiBackend.Core.Database;
using Microsoft.AspNetCore.Authorization;

namespace AiBackend.Api.Problems;

/// <summary>What callers are told while Postgres is in trouble, and at once while it is known to be away.</summary>
internal static class StorageProblems
{
    // The watch asks twice a second, so that whoever comes back after this is let in.
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(2);

    // Somebody has to make room first.
    private static readonly TimeSpan FullPause = TimeSpan.FromSeconds(10);

    /// <summary>Refuses at once what would only wait for a Postgres that is away. Comes after routing and before the caller is looked up.</summary>
    public static void UseStorageGate(this WebApplication app)
    {
        var storage = app.Services.GetRequiredService<IStorageWatch>();
        app.Use((context, next) => storage.IsAway && NeedsStorage(context) ? context.RefuseAsync(Away()) : next(context));
    }

    public static Refusal Explain(Exception trouble, HttpRequest request) =>
        StorageFailures.Of(trouble) == StorageTrouble.Full
            ? ProblemTypes.StorageFull.With(
                "The database has no room for new data. Nothing was changed; reading still works. Try again later."
            ) with
            {
                RetryAfter = FullPause,
            }
            : ProblemTypes.StorageUnavailable.With(
                HttpMethods.IsPost(request.Method)
                    ? "The database did not answer in time. What was sent may or may not have happened: send it again, a job with the same Idempotency-Key, to have it once."
                    : "The database did not answer in time. Try again."
            ) with
            {
                RetryAfter = Pause,
            };

    private static Refusal Away() =>
        ProblemTypes.StorageUnavailable.With("The database cannot be reached at the moment. Nothing was done. Try again.") with
        {
            RetryAfter = Pause,
        };

    /// <summary>A request without anything that could be a key is refused for that, and needs nobody to be looked up.</summary>
    private static bool NeedsStorage(HttpContext context) =>
        context.GetEndpoint()?.Metadata.GetMetadata<IAllowAnonymous>() is null
        && ApiKeyHandler.KeyOf(context.Request) is { } key
        && Callers.IsWhole(key);
}
