using System.Text.Json.Nodes;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Streaming;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.OpenAi.Responses;

/// <summary><c>GET /v1/responses/{id}</c>, whole or as a stream from any number on, and its input items.</summary>
internal sealed class ReadResponse(PreviousResponses responses, JobReads jobs, EventStream stream)
{
    private const int MostItems = 100;
    private const int UsualItems = 20;

    public async Task GetAsync(HttpContext context)
    {
        var request = context.Request;
        var refusal =
            QueryParameters.CheckNames(request, "stream", "starting_after", "include_obfuscation")
            ?? CheckFlag(request, "stream")
            ?? CheckFlag(request, "include_obfuscation");
        var cursor = -1;
        refusal ??= request.Query.ContainsKey("starting_after")
            ? QueryParameters.TryReadNumber(request, "starting_after", 0, int.MaxValue, -1, out cursor)
            : null;
        refusal ??= RefuseIgnored(request);
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        var id = (string)request.RouteValues["id"]!;
        if (await responses.FindAsync(context.GetTenantId(), id, context.RequestAborted) is not var (job, details, _))
        {
            await context.RefuseAsync(PreviousResponses.Unknown(id));
        }
        else if (request.Query["stream"] != "true")
        {
            await ResponseAnswer.SendAsync(context, job, details);
        }
        else if (stream.Open(context) is { } full)
        {
            await context.RefuseAsync(full);
        }
        else
        {
            var head = await jobs.FindHeadAsync(context.GetTenantId(), job.Id, context.RequestAborted);
            await stream.SendAsync(
                context.Response,
                job.Id,
                after: 0,
                ResponseView.Of(job, details, details.MayAnswerAnew ? int.MaxValue : head?.LastSeq ?? 1, cursor)
            );
        }
    }

    public async Task ItemsAsync(HttpContext context)
    {
        var request = context.Request;
        var refusal =
            QueryParameters.CheckNames(request, "limit", "order", "after")
            ?? QueryParameters.TryReadNumber(request, "limit", 1, MostItems, UsualItems, out _)
            ?? QueryParameters.TryReadText(request, "order", out _)
            ?? QueryParameters.TryReadText(request, "after", out _);
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        await SendItemsAsync(context, request);
    }

    private async Task SendItemsAsync(HttpContext context, HttpRequest request)
    {
        var id = (string)request.RouteValues["id"]!;
        if (await responses.FindAsync(context.GetTenantId(), id, context.RequestAborted) is not var (job, details, _))
        {
            await context.RefuseAsync(PreviousResponses.Unknown(id));
            return;
        }

        _ = QueryParameters.TryReadNumber(request, "limit", 1, MostItems, UsualItems, out var limit);
        var (order, after) = (request.Query["order"].ToString(), request.Query["after"].ToString());
        if (order is not ("" or "asc" or "desc"))
        {
            await context.RefuseAsync(ProblemTypes.InvalidValue.At("order", $"order is {Quoted.Of(order)}; it must be asc or desc."));
            return;
        }

        var all = details.Items.Select((item, index) => ItemOf(job.Id, index, item)).ToList();
        if (order != "asc")
        {
            all.Reverse();
        }

        var from = after.Length == 0 ? 0 : all.FindIndex(item => (string?)item["id"] == after) + 1;
        if (after.Length > 0 && from == 0)
        {
            var unknown = $"after is {Quoted.Of(after)}, which is none of the items. Send the last_id of the page before, or leave it out.";
            await context.RefuseAsync(ProblemTypes.InvalidValue.At("after", unknown));
            return;
        }

        var page = all.Skip(from).Take(limit).ToList();
        await ResponseAnswer.SendAsync(
            context,
            new JsonObject
            {
                ["object"] = "list",
                ["data"] = new JsonArray([.. page]),
                ["first_id"] = page.Count > 0 ? (string?)page[0]["id"] : null,
                ["last_id"] = page.Count > 0 ? (string?)page[^1]["id"] : null,
                ["has_more"] = all.Count > from + page.Count,
            }
        );
    }

    private static JsonObject ItemOf(Guid jobId, int index, System.Text.Json.JsonElement sent)
    {
        var item = JsonNode.Parse(sent.GetRawText())!.AsObject();
        item["id"] = ResponseIds.Input(jobId, index);
        item["type"] ??= "message";
        if ((string?)item["type"] == "message" && item["content"] is JsonValue text)
        {
            var part = (string?)item["role"] == "assistant" ? "output_text" : "input_text";
            item["content"] = new JsonArray(new JsonObject { ["type"] = part, ["text"] = text.GetValue<string>() });
        }

        return item;
    }

    /// <summary>What would be passed over without a word.</summary>
    private static Refusal? RefuseIgnored(HttpRequest request) =>
        request.Query["include_obfuscation"] == "true"
            ? ProblemTypes.UnsupportedParameter.At(
                "include_obfuscation",
                "include_obfuscation is not supported here. Nothing is padded; send false, or leave it out."
            )
        : request.Query.ContainsKey("starting_after") && request.Query["stream"] != "true"
            ? ProblemTypes.InvalidValue.At(
                "starting_after",
                "starting_after is only for a stream. Send stream=true with it, or leave it out."
            )
        : null;

    private static Refusal? CheckFlag(HttpRequest request, string name) =>
        request.Query[name].ToString() is "" or "true" or "false"
            ? null
            : ProblemTypes.InvalidValue.At(name, $"{name} must be true or false, once.");
}
