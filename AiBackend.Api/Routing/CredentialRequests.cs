using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Routing;
using AiBackend.Core.Routing;

namespace AiBackend.Api.Routing;

/// <summary><c>/api/v1/credentials</c>: keys of providers, which go in and are never shown again.</summary>
internal sealed class CredentialRequests(CredentialStore credentials, CredentialSeal seal, RoutingRules rules, CatalogRefresh refresh)
{
    private static readonly Refusal NoSecret = ProblemTypes.NoCredentialSecret.With(
        "This installation has no secret to encrypt provider keys with, so it does not store any. Set Routing__CredentialSecret to a random secret of at least 32 characters, the same for every process, or keep the key in the configuration."
    );

    public async Task ListAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var list = new CredentialList(await credentials.ListAsync(context.RequestAborted));
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, list, WireJson.Default.CredentialList);
    }

    public async Task PutAsync(HttpContext context)
    {
        var refusal = QueryParameters.CheckNames(context.Request) ?? (seal.IsPossible ? null : NoSecret);
        if (refusal is null)
        {
            (refusal, var request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.CredentialRequest);
            refusal ??= rules.Check(request);
            if (refusal is null)
            {
                var keyId = context.User.GetCaller().KeyId;
                var set = await credentials.SetAsync(request.Provider!, request.Model, request.Value!, keyId, context.RequestAborted);
                await refresh.RefreshAsync(context.RequestAborted);
                await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, set, WireJson.Default.Credential);
                return;
            }
        }

        await context.RefuseAsync(refusal);
    }

    public async Task DeleteAsync(HttpContext context)
    {
        string? provider = null;
        string? model = null;
        var refusal =
            QueryParameters.CheckNames(context.Request, "provider", "model")
            ?? QueryParameters.TryReadText(context.Request, "provider", out provider)
            ?? QueryParameters.TryReadText(context.Request, "model", out model);
        refusal ??= provider is null
            ? ProblemTypes.InvalidValue.At("provider", "provider is missing. Say whose key to remove, as GET /api/v1/credentials lists it.")
            : RoutingRules.CheckStored("provider", provider) ?? RoutingRules.CheckStored("model", model);
        if (refusal is null)
        {
            if (await credentials.RemoveAsync(provider!, model, context.RequestAborted))
            {
                await refresh.RefreshAsync(context.RequestAborted);
                context.Response.StatusCode = StatusCodes.Status204NoContent;
                return;
            }

            var whose = model is null ? provider! : $"{provider}/{model}";
            refusal = ProblemTypes.CredentialNotFound.With(
                $"No key was set over the API for {Quoted.Of(whose)}. GET /api/v1/credentials lists those that were."
            );
        }

        await context.RefuseAsync(refusal);
    }
}
