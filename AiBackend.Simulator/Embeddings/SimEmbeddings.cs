using System.Runtime.InteropServices;
using System.Text.Json;
using AiBackend.Simulator.Behaviours;
using AiBackend.Simulator.Calls;
using AiBackend.Simulator.Chat;
using AiBackend.Simulator.Limits;
using AiBackend.Simulator.Malformed;
using AiBackend.Simulator.Streaming;

namespace AiBackend.Simulator.Embeddings;

/// <summary><c>POST /v1/embeddings</c>: what a model does to chats it does to these.</summary>
internal sealed class SimEmbeddings(BehaviourBook book, CallLog log, TimeProvider clock)
{
    public async Task HandleAsync(HttpContext context)
    {
        var clientGone = context.RequestAborted;
        EmbeddingRequest request;
        SimulatedModel? model;
        SimBehaviour behaviour;
        try
        {
            request = await EmbeddingRequest.ReadAsync(context.Request, clientGone);
            model = book.Find(request.Model);
            behaviour = SimControls.ApplyHeaders(model?.Behaviour ?? new SimBehaviour(), context.Request.Headers);
        }
        catch (FormatException problem)
        {
            await SimErrors.WriteAsync(context.Response, StatusCodes.Status400BadRequest, problem.Message, null, clientGone);
            return;
        }

        var call = log.Begin(request.ForLog, context.Request);
        context.Response.Headers["x-request-id"] = "req-" + call.Id;
        var outcome = SimOutcomes.ClientAborted;
        try
        {
            outcome = model is null
                ? await RefuseAsync(context.Response, request.Model, clientGone)
                : await AnswerAsync(context, request, model, behaviour);
        }
        catch (Exception problem) when (clientGone.IsCancellationRequested && problem is OperationCanceledException or IOException)
        {
            // The client left while it was kept waiting.
        }
        finally
        {
            log.End(call, outcome, context.Response.StatusCode);
        }

        if (outcome is SimOutcomes.Cut)
        {
            context.Abort();
        }
    }

    private static async Task<string> RefuseAsync(HttpResponse response, string model, CancellationToken cancellationToken)
    {
        var unknown = $"The simulator has no model '{model}'. Use a name that begins with 'sim', or PUT /sim/behaviours/{{model}} first.";
        await SimErrors.WriteAsync(response, StatusCodes.Status404NotFound, unknown, null, cancellationToken);
        return SimOutcomes.Failed;
    }

    private async Task<string> AnswerAsync(HttpContext context, EmbeddingRequest request, SimulatedModel model, SimBehaviour behaviour)
    {
        var clientGone = context.RequestAborted;
        var decision = model.Limits.Enter(behaviour, request.ForLog.InputTokens);
        LimitHeaders.Write(context.Response.Headers, decision);
        if (decision.Refusal is { } refusal)
        {
            var why = $"This is a simulated rate limit: no {refusal.Limit} left on '{model.Name}'.";
            await SimErrors.WriteAsync(context.Response, StatusCodes.Status429TooManyRequests, why, null, clientGone);
            return SimOutcomes.RateLimited;
        }

        try
        {
            if (model.CountCall() <= behaviour.FailFirst || Random.Shared.NextDouble() < behaviour.ErrorRate)
            {
                return await ChatCompletions.FailAsync(context.Response, behaviour, clientGone);
            }

            if (behaviour.Malformed is { } name)
            {
                await MalformedCases.Find(name)!.WriteAsync(context);
                return SimOutcomes.Malformed;
            }

            var isSilent = behaviour.Hang is SimHang.BeforeHeaders or SimHang.BeforeFirstToken;
            await Task.Delay(isSilent ? Timeout.InfiniteTimeSpan : Timings.FirstToken(behaviour), clock, clientGone);
            if (behaviour.CutAfterTokens is not null)
            {
                return SimOutcomes.Cut;
            }

            context.Response.ContentType = "application/json";
            await context.Response.BodyWriter.WriteAsync(Body(request, behaviour), clientGone);
            return SimOutcomes.Completed;
        }
        finally
        {
            model.Limits.Leave();
        }
    }

    private static byte[] Body(EmbeddingRequest request, SimBehaviour behaviour)
    {
        using var buffer = new MemoryStream();
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("object", "list");
        json.WriteStartArray("data");
        for (var i = 0; i < request.Texts.Count; i++)
        {
            json.WriteStartObject();
            json.WriteString("object", "embedding");
            json.WriteNumber("index", i);
            json.WritePropertyName("embedding");
            Write(json, SimVector.Of(request.Texts[i], request.Length), request.IsBase64);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteString("model", request.Model);
        json.WriteString("system_fingerprint", "simulated");
        if (behaviour.Usage != SimUsage.Missing)
        {
            json.WritePropertyName("usage");
            json.WriteRawValue(new TokenCounts(request.ForLog.InputTokens, 0).ToJson(behaviour.Usage));
        }

        json.WriteEndObject();
        json.Flush();
        return buffer.ToArray();
    }

    private static void Write(Utf8JsonWriter json, float[] vector, bool isBase64)
    {
        if (isBase64)
        {
            json.WriteBase64StringValue(MemoryMarshal.AsBytes<float>(vector));
            return;
        }

        json.WriteStartArray();
        Array.ForEach(vector, json.WriteNumberValue);
        json.WriteEndArray();
    }
}
