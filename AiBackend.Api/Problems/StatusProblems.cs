using Microsoft.AspNetCore.Diagnostics;

namespace AiBackend.Api.Problems;

/// <summary>Gives a problem's body to refusals that the framework makes with a status code alone.</summary>
internal static class StatusProblems
{
    public static Task ExplainAsync(StatusCodeContext answer)
    {
        var context = answer.HttpContext;
        var request = context.Request;
        return context.Response.StatusCode switch
        {
            StatusCodes.Status404NotFound => context.RefuseAsync(
                ProblemTypes.NotFound.With(
                    $"There is nothing at {Quoted.Of(request.Path)}. The document at /openapi/v1.json lists every address."
                )
            ),
            StatusCodes.Status405MethodNotAllowed => context.RefuseAsync(
                ProblemTypes.MethodNotAllowed.With(
                    $"{Quoted.Of(request.Path)} does not take {Quoted.Of(request.Method)}. It takes: {context.Response.Headers.Allow}."
                )
            ),
            _ => Task.CompletedTask,
        };
    }
}
