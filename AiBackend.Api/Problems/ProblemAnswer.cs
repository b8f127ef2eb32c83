using System.Diagnostics;
using System.Globalization;
using AiBackend.Api.Audit;
using AiBackend.Api.Auth.Limits;
using AiBackend.Api.OpenAi.Wire;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;

namespace AiBackend.Api.Problems;

/// <summary>Sends refusals as RFC 9457 problem details, and under /v1 as OpenAI would.</summary>
internal static class ProblemAnswer
{
    public static Task RefuseAsync(this HttpContext context, Refusal refusal)
    {
        refusal = UnknownObjects.Count(context, refusal);
        // Again: the exception handler starts an answer from nothing.
        context.Response.Headers.XContentTypeOptions = "nosniff";
        if (refusal.RetryAfter is { } wait)
        {
            // The header knows whole seconds only, and less than asked for would be a promise broken.
            context.Response.Headers.RetryAfter = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        }

        ForeignObjects.Note(context, refusal);
        if (OpenAiAddress.Is(context.Request))
        {
            return OpenAiErrors.SendAsync(context, refusal);
        }

        var problem = new Problem
        {
            Type = refusal.Type.Address,
            Title = refusal.Type.Title,
            Status = refusal.Type.Status,
            Detail = refusal.Detail,
            Code = refusal.Type.Code,
            TraceId = Activity.Current?.TraceId.ToHexString(),
            Errors = refusal.Errors,
            RetryAfter = refusal.RetryAfter?.TotalSeconds,
        };
        return JsonAnswer.WriteAsync(context, problem.Status, problem, WireJson.Default.Problem, "application/problem+json");
    }
}
