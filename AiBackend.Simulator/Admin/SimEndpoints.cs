using System.Text.Json;
using AiBackend.Simulator.Behaviours;
using AiBackend.Simulator.Calls;
using AiBackend.Simulator.Malformed;

namespace AiBackend.Simulator.Admin;

/// <summary>What tests and people steer the simulator with. It holds nothing worth protecting and runs nowhere but in development.</summary>
internal static class SimEndpoints
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
    };

    public static void MapAdmin(this IEndpointRouteBuilder app)
    {
        var sim = app.MapGroup("/sim");

        sim.MapGet(
            "/controls",
            () =>
                Results.Json(
                    SimControls.All.Select(control => new
                    {
                        control.Name,
                        control.Header,
                        control.Help,
                    }),
                    Json
                )
        );
        sim.MapGet("/models", () => Results.Json(BuiltInModels.All.Select(model => new { Name = model.Key, model.Value.Help }), Json));
        sim.MapGet(
            "/malformed",
            () =>
                Results.Json(
                    MalformedCases.All.Select(each => new
                    {
                        each.Name,
                        each.Legal,
                        each.Help,
                    }),
                    Json
                )
        );
        sim.MapPut("/behaviours/{model}", SetBehaviourAsync);
        sim.MapGet("/calls", ListCalls);
        sim.MapDelete("/calls", ClearCalls);
        sim.MapPost("/reset", Reset);
    }

    private static async Task<IResult> SetBehaviourAsync(
        string model,
        HttpRequest request,
        BehaviourBook book,
        CancellationToken cancellationToken
    )
    {
        try
        {
            using var body = await JsonDocument.ParseAsync(request.Body, default, cancellationToken);
            var behaviour = BehaviourBook.BaseOf(model);
            foreach (var member in body.RootElement.EnumerateObject().Where(member => member.Value.ValueKind != JsonValueKind.Null))
            {
                behaviour = SimControls.Apply(behaviour, member.Name, member.Value.ToString());
            }

            book.Set(model, behaviour);
            return Results.NoContent();
        }
        catch (Exception problem) when (problem is FormatException or JsonException or InvalidOperationException)
        {
            return Results.Json(new { error = new { message = problem.Message } }, Json, statusCode: StatusCodes.Status400BadRequest);
        }
    }

    private static IResult ListCalls(CallLog log, string? model) => Results.Json(new { log.Counts, Data = log.Find(model) }, Json);

    private static IResult ClearCalls(CallLog log)
    {
        log.Clear();
        return Results.NoContent();
    }

    private static IResult Reset(BehaviourBook book, CallLog log)
    {
        book.Reset();
        log.Clear();
        return Results.NoContent();
    }
}
