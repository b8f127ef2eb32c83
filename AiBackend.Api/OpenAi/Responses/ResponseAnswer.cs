using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Api.OpenAi.Responses;

/// <summary>Sends what has no contract of its own.</summary>
internal static class ResponseAnswer
{
    private static readonly JsonSerializerOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Task SendAsync(HttpContext context, Job job, ResponseDetails details) =>
        SendAsync(context, ResponseObject.Of(job, details));

    public static async Task SendAsync(HttpContext context, JsonObject body)
    {
        var bytes = System.Text.Encoding.UTF8.GetBytes(body.ToJsonString(Options));
        context.Response.ContentType = "application/json; charset=utf-8";
        context.Response.ContentLength = bytes.Length;
        await context.Response.Body.WriteAsync(bytes, context.RequestAborted);
    }
}
