using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.Core.Database;

namespace AiBackend.Api.OpenAi.Wire;

/// <summary>Which part of a list is asked for, in OpenAI's parameters: newest first unless it is said otherwise.</summary>
internal static class OpenAiPage
{
    public static Refusal? TryRead(HttpRequest request, int most, int usual, Func<string?, Guid?> parse, out ListPage page)
    {
        page = null!;
        string? after = null;
        var refusal =
            QueryParameters.TryReadNumber(request, "limit", 1, most, usual, out var limit)
            ?? QueryParameters.TryReadText(request, "order", out var order)
            ?? Check("order", order, order is null or "asc" or "desc", "asc or desc")
            ?? QueryParameters.TryReadText(request, "after", out after)
            ?? Check("after", after, after is null || parse(after) is not null, "the id of the last one of the page before");
        if (refusal is null)
        {
            page = new ListPage(parse(after), request.Query["order"] == "asc", limit);
        }

        return refusal;
    }

    private static Refusal? Check(string name, string? value, bool isFine, string what) =>
        isFine ? null : ProblemTypes.InvalidValue.At(name, $"{name} is {Quoted.Of(value!)}; it must be {what}.");
}
