using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Tenancy;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;

namespace AiBackend.Api.Tenancy;

/// <summary><c>/api/v1/keys</c>.</summary>
internal sealed class KeyRequests(KeyAdministration keys, TenantOf owner, IHostEnvironment environment, TimeProvider clock)
{
    public async Task ListAsync(HttpContext context)
    {
        var (refusal, tenantId) = await OwnerAsync(context);
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        var found = await keys.ListAsync(tenantId, null, context.RequestAborted);
        var list = new KeyList([.. found.Select(Show)]);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, list, WireJson.Default.KeyList);
    }

    public async Task GetAsync(HttpContext context)
    {
        var (refusal, key) = await FindAsync(context);
        await AnswerAsync(context, refusal, key);
    }

    public async Task PostAsync(HttpContext context)
    {
        var caller = context.User.GetCaller();
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.CreateKeyRequest);
        var (unknown, tenantId) = await OwnerAsync(context);
        refusal ??= unknown;
        KeyRecord wanted = null!;
        refusal ??= RefuseTest(request.Test);
        refusal ??= KeyRules.CheckNew(request, tenantId, caller.KeyId, clock.GetUtcNow(), out wanted);
        refusal ??= KeyBounds.Check(caller, wanted);
        var expiresAt = refusal is null ? wanted.ExpiresAt : null;
        refusal ??= KeyBounds.BoundLife(caller, request.ExpiresInDays is not null, ref expiresAt);
        if (refusal is null)
        {
            wanted = wanted with { ExpiresAt = expiresAt };
            var key = ApiKey.Create(live: request.Test != true);
            var made = await keys.AddAsync(key, wanted, context.RequestAborted);
            if (made is not null)
            {
                await AnswerNewAsync(context, key, made);
                return;
            }

            refusal = TooMany;
        }

        await context.RefuseAsync(refusal);
    }

    public async Task PatchAsync(HttpContext context)
    {
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.ChangeKeyRequest);
        var (unknown, key) = await FindAsync(context);
        refusal ??= unknown;
        // Both as it is and as it would be: whoever could loosen what is above it would be above it soon.
        refusal ??= KeyBounds.Check(context.User.GetCaller(), key!);
        KeyRecord wanted = null!;
        refusal ??= KeyRules.CheckChange(request, key!, out wanted);
        refusal ??= KeyBounds.Check(context.User.GetCaller(), wanted);
        var now = refusal is null ? await keys.ChangeAsync(key!, wanted, context.RequestAborted) : null;
        await AnswerAsync(context, refusal ?? (now is null ? Ended(key!) : null), now);
    }

    public async Task RollAsync(HttpContext context)
    {
        var caller = context.User.GetCaller();
        var (refusal, request) =
            context.Request.ContentLength is null or 0 && context.Request.ContentType is null
                ? (null, new RollKeyRequest())
                : await StrictBody.ReadAsync(context.Request, WireJson.Default.RollKeyRequest);
        var (unknown, old) = await FindAsync(context);
        refusal ??= unknown;
        var overlap = TimeSpan.Zero;
        DateTimeOffset? expiresAt = null;
        refusal ??= RefuseTest(request.Test);
        refusal ??= KeyRules.CheckRoll(request, clock.GetUtcNow(), out overlap, out expiresAt);
        refusal ??= KeyBounds.Check(caller, old!);
        refusal ??= KeyBounds.BoundLife(caller, request.ExpiresInDays is not null, ref expiresAt);
        if (refusal is null)
        {
            var key = ApiKey.Create(live: request.Test != true);
            var made = await keys.RollAsync(old!.TenantId, old.Id, key, overlap, expiresAt, caller.KeyId, context.RequestAborted);
            if (made is not null)
            {
                await AnswerNewAsync(context, key, made);
                return;
            }

            // Nothing is wrong with a key that could still be rolled: then there was no room for another.
            refusal =
                (await keys.ListAsync(old.TenantId, old.Id, context.RequestAborted)) is [{ RevokedAt: null, ReplacedBy: null } still]
                && !(still.ExpiresAt <= clock.GetUtcNow())
                    ? TooMany
                    : Ended(old);
        }

        await context.RefuseAsync(refusal);
    }

    public async Task DeleteAsync(HttpContext context)
    {
        var (refusal, key) = await FindAsync(context);
        if (refusal is null && await keys.RevokeAsync(key!.TenantId, key.Id, context.RequestAborted))
        {
            context.Response.StatusCode = StatusCodes.Status204NoContent;
        }
        else
        {
            await context.RefuseAsync(refusal ?? Ended(key!));
        }
    }

    private async Task<(Refusal? Refusal, Guid TenantId)> OwnerAsync(HttpContext context) =>
        QueryParameters.CheckNames(context.Request, TenantOf.Parameter) is { } unknown
            ? (unknown, default)
            : await owner.ReadOneAsync(context);

    private async Task<(Refusal? Refusal, KeyRecord? Key)> FindAsync(HttpContext context)
    {
        var (refusal, tenantId) = await OwnerAsync(context);
        var id = (string)context.Request.RouteValues["id"]!;
        var found = refusal is null ? (await keys.ListAsync(tenantId, id, context.RequestAborted)).SingleOrDefault() : null;
        return (
            refusal
                ?? (found is null ? ProblemTypes.KeyNotFound.With($"There is no key {Quoted.Of(id)}. GET /api/v1/keys lists them.") : null),
            found
        );
    }

    /// <summary>A key that nobody lets in would only be believed to work.</summary>
    private Refusal? RefuseTest(bool? test) =>
        test == true && environment.IsProduction()
            ? ProblemTypes.InvalidValue.At("test", "must be false or left out: this is Production, which lets no key for tests in.")
            : null;

    private static Refusal TooMany { get; } =
        ProblemTypes.TooManyKeys.With(
            $"The tenant has {KeyAdministration.MaxKeys} keys, which is as many as it may. Revoke those that nobody uses."
        );

    private static Refusal Ended(KeyRecord key) =>
        ProblemTypes.KeyEnded.With(
            $"The key {key.Id} was revoked, has expired, or was rolled to another one{(key.ReplacedBy is { } next ? $", {next}" : "")}. Make a new one with POST /api/v1/keys."
        );

    private async Task AnswerNewAsync(HttpContext context, ApiKey key, KeyRecord made)
    {
        context.Response.Headers.Location = $"/api/v1/keys/{made.Id}";
        // Nothing on the way may keep the only copy of a secret.
        context.Response.Headers.CacheControl = "no-store";
        var shown = Show(made);
        var answer = new NewKey
        {
            Value = key.Text,
            Id = shown.Id,
            Name = shown.Name,
            Scopes = shown.Scopes,
            Status = shown.Status,
            HighestPriority = shown.HighestPriority,
            AllowedModels = shown.AllowedModels,
            AllowedNetworks = shown.AllowedNetworks,
            Limits = shown.Limits,
            CreatedBy = shown.CreatedBy,
            CreatedAt = shown.CreatedAt,
            ExpiresAt = shown.ExpiresAt,
        };
        await JsonAnswer.WriteAsync(context, StatusCodes.Status201Created, answer, WireJson.Default.NewKey);
    }

    private Task AnswerAsync(HttpContext context, Refusal? refusal, KeyRecord? key) =>
        refusal is null
            ? JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, Show(key!), WireJson.Default.Key)
            : context.RefuseAsync(refusal);

    private Key Show(KeyRecord key) =>
        new()
        {
            Id = key.Id,
            Name = key.Name,
            Scopes = key.Scopes,
            Status =
                key.RevokedAt is not null ? "revoked"
                : key.ExpiresAt <= clock.GetUtcNow() ? "expired"
                : "active",
            HighestPriority = key.HighestPriority is { } priority ? ((JobPriority)priority).ToWire() : null,
            AllowedModels = key.AllowedModels,
            AllowedNetworks = key.AllowedNetworks,
            Limits = new(key.Limits.RequestsPerMinute, key.Limits.TokensPerMinute, key.Limits.MaxQueued, key.Limits.MaxRunning),
            CreatedBy = key.CreatedBy,
            CreatedAt = key.CreatedAt,
            ExpiresAt = key.ExpiresAt,
            RevokedAt = key.RevokedAt,
            LastUsedAt = key.LastUsedAt,
            ReplacedBy = key.ReplacedBy,
        };
}
