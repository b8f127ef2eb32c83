using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Money;
using AiBackend.Core.Money;
using Price = AiBackend.Core.Money.Price;
using WirePrice = AiBackend.ApiContracts.Money.Price;

namespace AiBackend.Api.Money;

/// <summary><c>/api/v1/prices</c>: read, and added to.</summary>
internal sealed class PriceRequests(PriceStore store, TimeProvider clock)
{
    private const int MostName = 128;
    private static readonly TimeSpan Grace = TimeSpan.FromMinutes(1);

    public Task ListAsync(HttpContext context) => AnswerAsync(context, null, null);

    public Task GetAsync(HttpContext context) => AnswerAsync(context, Value(context, "provider"), Value(context, "model"));

    public async Task PutAsync(HttpContext context)
    {
        var (refusal, request) = await ReadAsync(context);
        refusal ??= Check(context, request);
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        var (input, output) = (request.InputPerMillion!.Value, request.OutputPerMillion!.Value);
        var rates = new PriceRates(input, request.CachedInputPerMillion ?? input, output, request.ReasoningPerMillion ?? output);
        var added = await store.AddAsync(
            Value(context, "provider"),
            Value(context, "model"),
            rates,
            request.ValidFrom,
            context.User.GetCaller().KeyId,
            context.RequestAborted
        );
        await JsonAnswer.WriteAsync(context, StatusCodes.Status201Created, Show(added), WireJson.Default.Price);
    }

    private async Task AnswerAsync(HttpContext context, string? provider, string? model)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var prices = await store.ListAsync(provider, model, context.RequestAborted);
        var list = new PriceList([.. prices.Select(Show)]);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, list, WireJson.Default.PriceList);
    }

    private static async Task<(Refusal?, PriceRequest)> ReadAsync(HttpContext context)
    {
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.PriceRequest);
        return (refusal ?? QueryParameters.CheckNames(context.Request), request);
    }

    private Refusal? Check(HttpContext context, PriceRequest request)
    {
        var errors = new FieldErrors();
        errors.CheckText("provider", Value(context, "provider"), MostName);
        errors.CheckText("model", Value(context, "model"), MostName);
        CheckRate("input_per_million", request.InputPerMillion, isNeeded: true, errors);
        CheckRate("cached_input_per_million", request.CachedInputPerMillion, isNeeded: false, errors);
        CheckRate("output_per_million", request.OutputPerMillion, isNeeded: true, errors);
        CheckRate("reasoning_per_million", request.ReasoningPerMillion, isNeeded: false, errors);
        if (request.ValidFrom < clock.GetUtcNow() - Grace)
        {
            errors.Add(
                "valid_from",
                $"is {request.ValidFrom:O}, which has passed; what calls cost then stays as it was. Leave it out for now."
            );
        }

        return errors.ToRefusal();
    }

    private static void CheckRate(string field, decimal? rate, bool isNeeded, FieldErrors errors)
    {
        if (rate is null ? isNeeded : rate is < 0 or > PriceRates.Most || decimal.Round(rate.Value, PriceRates.Decimals) != rate)
        {
            errors.Add(
                field,
                FormattableString.Invariant(
                    $"is {(rate is null ? "missing" : rate)}; it must be from 0 to {PriceRates.Most} US dollars for a million tokens, with at most {PriceRates.Decimals} decimals."
                )
            );
        }
    }

    private static string Value(HttpContext context, string name) => (string)context.Request.RouteValues[name]!;

    private static WirePrice Show(Price price) =>
        new(
            price.Provider,
            price.Model,
            price.Version,
            price.ValidFrom,
            price.Rates.Input,
            price.Rates.Cached,
            price.Rates.Output,
            price.Rates.Reasoning,
            price.SetBy
        );
}
