using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.OpenAi.Wire;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Catalog;

namespace AiBackend.Api.OpenAi.Catalog;

/// <summary>A name that a request may ask for: a route or a model.</summary>
/// <param name="Id">The name.</param>
internal sealed record ModelObject(string Id)
{
    public string Object { get; } = "model";

    /// <summary>Nobody knows: clients expect a number.</summary>
    public long Created { get; }

    public string OwnedBy { get; } = "aibackend";
}

/// <summary>Every such name.</summary>
/// <param name="Data">Routes first.</param>
internal sealed record ModelList(IReadOnlyList<ModelObject> Data)
{
    public string Object { get; } = "list";
}

/// <summary><c>GET /v1/models</c> and <c>/v1/models/{id}</c>.</summary>
internal sealed class ModelRequests(ProviderCatalog catalog, ICatalogSource source, JobRequestRules rules)
{
    public async Task ListAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        await source.RefreshAsync(context.RequestAborted);
        var caller = context.User.GetCaller();
        var models = new ModelList([.. catalog.KnownModels.Where(caller.MayAskFor).Select(name => new ModelObject(name))]);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, models, OpenAiJson.Default.ModelList);
    }

    public async Task GetAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var name = (string)context.Request.RouteValues["model"]!;
        if (!catalog.Knows(name))
        {
            await source.RefreshAsync(context.RequestAborted);
        }

        await (
            (CallerRights.RefuseModel(context.User.GetCaller(), name) ?? rules.RefuseModel(name)) is { } refusal
                ? context.RefuseAsync(refusal)
                : JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, new ModelObject(name), OpenAiJson.Default.ModelObject)
        );
    }
}
