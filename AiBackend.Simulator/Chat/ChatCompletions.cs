using System.Globalization;
using System.Text.Json;
using AiBackend.Simulator.Behaviours;
using AiBackend.Simulator.Calls;
using AiBackend.Simulator.Limits;
using AiBackend.Simulator.Malformed;
using AiBackend.Simulator.Streaming;

namespace AiBackend.Simulator.Chat;

/// <summary><c>POST /v1/chat/completions</c>: refuse, fail, hang, misbehave or answer, in that order.</summary>
internal sealed class ChatCompletions(BehaviourBook book, CallLog log, ChatAnswerer answerer, Pacer pacer, TimeProvider clock)
{
    public async Task HandleAsync(HttpContext context)
    {
        var clientGone = context.RequestAborted;
        ChatRequest request;
        SimulatedModel? model;
        SimBehaviour behaviour;
        try
        {
            request = await ChatRequest.ReadAsync(context.Request, clientGone);
            model = book.Find(request.Model);
            behaviour = SimControls.ApplyHeaders(model?.Behaviour ?? new SimBehaviour(), context.Request.Headers);
        }
        catch (FormatException problem)
        {
            await SimErrors.WriteAsync(context.Response, StatusCodes.Status400BadRequest, problem.Message, null, clientGone);
            return;
        }

        var call = log.Begin(request, context.Request);
        context.Response.Headers["x-request-id"] = "req-" + call.Id;
        if (model is null)
        {
            var unknown =
                $"The simulator has no model '{request.Model}'. Use a name that begins with 'sim', or PUT /sim/behaviours/{{model}} first.";
            await SimErrors.WriteAsync(context.Response, StatusCodes.Status404NotFound, unknown, null, clientGone);
            log.End(call, SimOutcomes.Failed, StatusCodes.Status404NotFound);
            return;
        }

        var outcome = SimOutcomes.ClientAborted;
        try
        {
            outcome = await AnswerAsync(context, request, model, behaviour, call);
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

    private async Task<string> AnswerAsync(
        HttpContext context,
        ChatRequest request,
        SimulatedModel model,
        SimBehaviour behaviour,
        SimCall call
    )
    {
        var clientGone = context.RequestAborted;
        if (behaviour.Hang == SimHang.BeforeHeaders)
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, clock, clientGone);
        }

        var plan = answerer.Plan(request, behaviour);
        var decision = model.Limits.Enter(behaviour, request.InputTokens + (request.MaxTokens ?? plan.Tokens));
        LimitHeaders.Write(context.Response.Headers, decision);
        if (decision.Refusal is { } refusal)
        {
            var why = $"This is a simulated rate limit: no {refusal.Limit} left on '{model.Name}'.";
            await SimErrors.WriteAsync(context.Response, StatusCodes.Status429TooManyRequests, why, null, clientGone);
            return SimOutcomes.RateLimited;
        }

        try
        {
            // One must be counted even when the other already decides.
            var number = model.CountCall();
            var early = number <= behaviour.FailFirst;
            if (early || Random.Shared.NextDouble() < behaviour.ErrorRate)
            {
                return await FailAsync(context.Response, behaviour, clientGone);
            }

            if (request.InputTokens > behaviour.ContextTokens)
            {
                const string Why = "This simulated model has no room for so much.";
                await SimErrors.WriteAsync(context.Response, StatusCodes.Status400BadRequest, Why, "context_length_exceeded", clientGone);
                return SimOutcomes.Failed;
            }

            if (behaviour.Prefill == SimPrefill.Refuse && request.Begun is not null)
            {
                const string Why = "This simulated model does not support assistant message prefill.";
                await SimErrors.WriteAsync(context.Response, StatusCodes.Status400BadRequest, Why, null, clientGone);
                return SimOutcomes.Failed;
            }

            if (behaviour.BreakEvery > 1 && (request.Begun is not null || (number - 1) % behaviour.BreakEvery != 0))
            {
                behaviour = behaviour with { CutAfterTokens = null, HangAfterTokens = null };
            }

            if (behaviour.Malformed is { } name)
            {
                await MalformedCases.Find(name)!.WriteAsync(context);
                return SimOutcomes.Malformed;
            }

            return request.Stream
                ? await StreamAsync(context, request, behaviour, plan, call)
                : await WholeAsync(context, request, behaviour, plan, call);
        }
        finally
        {
            model.Limits.Leave();
        }
    }

    public static async Task<string> FailAsync(HttpResponse response, SimBehaviour behaviour, CancellationToken cancellationToken)
    {
        if (behaviour.RetryAfter is { } wait)
        {
            LimitHeaders.WriteRetryAfter(response.Headers, wait);
        }

        response.Headers.Location = behaviour.ErrorLocation;
        var status = behaviour.ErrorStatus;
        await SimErrors.WriteAsync(response, status, SimErrors.Sentence(status), behaviour.ErrorCode, cancellationToken);
        return SimOutcomes.Failed;
    }

    private async Task<string> StreamAsync(
        HttpContext context,
        ChatRequest request,
        SimBehaviour behaviour,
        PlannedAnswer plan,
        SimCall call
    )
    {
        context.Response.ContentType = "text/event-stream; charset=utf-8";
        context.Response.Headers.CacheControl = "no-cache";
        var output = context.Response.BodyWriter;
        // Starting alone keeps the headers back until the first token.
        await context.Response.StartAsync(context.RequestAborted);
        await output.FlushAsync(context.RequestAborted);

        var chunks = new ChunkWriter(call.Id, call.Model, call.ReceivedAt, behaviour.Usage == SimUsage.EveryChunk);
        var counts = new TokenCounts(request.InputTokens, behaviour.BilledTokens ?? plan.CountedTokens);
        var stream = new PacedStream(
            pacer,
            output,
            chunks,
            plan,
            behaviour,
            call,
            () =>
            {
                for (var i = 0; i < plan.ToolCalls.Count; i++)
                {
                    chunks.ToolCall(output, i, plan.ToolCalls[i]);
                }

                chunks.End(output, plan.FinishReason, request.IncludeUsage, counts, behaviour.Usage);
            }
        );
        return await stream.RunAsync(context.RequestAborted);
    }

    private async Task<string> WholeAsync(
        HttpContext context,
        ChatRequest request,
        SimBehaviour behaviour,
        PlannedAnswer plan,
        SimCall call
    )
    {
        var silent = behaviour.Hang == SimHang.BeforeFirstToken || behaviour.HangAfterTokens <= plan.Tokens;
        var pause = silent ? Timeout.InfiniteTimeSpan : Timings.FirstToken(behaviour) + behaviour.TokenInterval * plan.Tokens;
        await Task.Delay(pause, clock, context.RequestAborted);
        if (behaviour.CutAfterTokens < plan.Tokens)
        {
            return SimOutcomes.Cut;
        }

        var counts = new TokenCounts(request.InputTokens, behaviour.BilledTokens ?? plan.CountedTokens);
        var usage = behaviour.Usage == SimUsage.Missing ? "" : $",\"usage\":{counts.ToJson(behaviour.Usage)}";
        var created = call.ReceivedAt.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        var text = JsonEncodedText.Encode(plan.Answer.Text(plan.Tokens));
        call.TokensSent = plan.Tokens;
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(
            $$"""{"id":"{{call.Id}}","object":"chat.completion","created":{{created}},"model":"{{JsonEncodedText.Encode(call.Model)}}","system_fingerprint":"simulated","choices":[{"index":0,"message":{"role":"assistant","content":"{{text}}","refusal":null{{ToolCalls(plan)}}},"logprobs":null,"finish_reason":"{{JsonEncodedText.Encode(plan.FinishReason)}}"}]{{usage}}}""",
            context.RequestAborted
        );
        return SimOutcomes.Completed;
    }

    private static string ToolCalls(PlannedAnswer plan) =>
        plan.ToolCalls.Count == 0
            ? ""
            : $",\"tool_calls\":[{string.Join(',', plan.ToolCalls.Select(call => $"{{\"id\":\"{call.Id}\",\"type\":\"function\",\"function\":{{\"name\":\"{JsonEncodedText.Encode(call.Name)}\",\"arguments\":\"{JsonEncodedText.Encode(call.Arguments)}\"}}}}"))}]";
}
