using System.Globalization;
using AiBackend.ApiContracts.Money;
using AiBackend.Web.Api;
using Microsoft.AspNetCore.Components.Authorization;
using static System.FormattableString;

namespace AiBackend.Web.Costs;

/// <summary>What the page of costs shows, as a file: <c>/costs.csv</c> takes the same parameters.</summary>
internal static class CostsDownload
{
    public const string Path = "costs.csv";

    public static void MapCostsDownload(this IEndpointRouteBuilder app) => app.MapGet("/" + Path, SendAsync);

    private static async Task<IResult> SendAsync(HttpContext context, ApiClient api, AuthenticationStateProvider state, TimeProvider clock)
    {
        // Outside of a page nobody else says who asks.
        ((IHostEnvironmentAuthenticationStateProvider)state).SetAuthenticationState(Task.FromResult(new AuthenticationState(context.User)));
        var query = context.Request.Query;
        int? days = int.TryParse(query["days"], CultureInfo.InvariantCulture, out var number) ? number : null;
        var view = CostView.Of(days, query["by"], name => query.TryGetValue(name, out var value) ? value.ToString() : null);
        var way = CostView.Ways.First(way => way.Name == view.By);
        var answer = await api.GetUsageAsync(view.Query(way.Groups, clock.GetUtcNow()), context.RequestAborted);
        if (answer.FailureOrNull is { } failure)
        {
            return Results.Text(
                $"{failure.Title}. {failure.Detail}\n",
                statusCode: (int)(failure.Status ?? System.Net.HttpStatusCode.BadGateway)
            );
        }

        context.Response.Headers.CacheControl = "no-store";
        var name = Invariant($"costs-by-{view.By}-{view.Days}-days-to-{clock.GetUtcNow():yyyy-MM-dd}.csv");
        return Results.File(System.Text.Encoding.UTF8.GetBytes(Write(answer.ValueOrDefault!.Data, view)), "text/csv; charset=utf-8", name);
    }

    internal static string Write(IReadOnlyList<UsageRow> rows, CostView view)
    {
        var csv = new CsvText();
        csv.Add([
            view.By,
            "cost_usd",
            "perhaps_billed_usd",
            "calls",
            "calls_without_price",
            "calls_that_broke_off",
            "input_tokens",
            "cached_tokens",
            "output_tokens",
            "reasoning_tokens",
        ]);
        foreach (var row in rows)
        {
            csv.Add([
                view.By is "day" ? Invariant($"{row.Day:yyyy-MM-dd}") : CostWords.Group(row, view.By),
                row.CostUsd,
                row.UnknownUsd,
                row.Calls,
                row.UnpricedCalls,
                row.UnknownCalls,
                row.InputTokens,
                row.CachedTokens,
                row.OutputTokens,
                row.ReasoningTokens,
            ]);
        }

        return csv.ToString();
    }
}
