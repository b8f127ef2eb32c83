using AiBackend.Simulator.Behaviours;
using AiBackend.Simulator.Embeddings;

namespace AiBackend.Simulator.Chat;

/// <summary>The part of OpenAI's API that the simulator speaks.</summary>
internal static class OpenAiEndpoints
{
    public static void MapOpenAi(this IEndpointRouteBuilder app)
    {
        var api = app.MapGroup("/v1");

        api.MapPost("/chat/completions", (HttpContext context, ChatCompletions chat) => chat.HandleAsync(context));
        api.MapPost("/embeddings", (HttpContext context, SimEmbeddings embeddings) => embeddings.HandleAsync(context));
        api.MapGet("/models", ListModels);
    }

    private static IResult ListModels(BehaviourBook book) =>
        Results.Json(
            new
            {
                @object = "list",
                data = book.Models.Select(model => new
                {
                    id = model.Name,
                    @object = "model",
                    created = 0,
                    owned_by = "simulator",
                }),
            }
        );
}
