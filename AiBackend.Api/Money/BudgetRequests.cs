using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Money;
using AiBackend.Core.Money;
using Budget = AiBackend.Core.Money.Budget;
using WireBudget = AiBackend.ApiContracts.Money.Budget;

namespace AiBackend.Api.Money;

/// <summary><c>/api/v1/budgets</c>.</summary>
internal sealed class BudgetRequests(BudgetStore store)
{
    public async Task ListAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var budgets = await store.ListAsync(context.GetTenantId(), null, context.RequestAborted);
        var list = new BudgetList([.. budgets.Select(Show)]);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, list, WireJson.Default.BudgetList);
    }

    public async Task GetAsync(HttpContext context)
    {
        if (await FindAsync(context) is { } budget)
        {
            await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, Show(budget), WireJson.Default.Budget);
        }
        else
        {
            await context.RefuseAsync(Unknown(context));
        }
    }

    public async Task PostAsync(HttpContext context)
    {
        var (refusal, request) = await ReadAsync(context);
        if (refusal is null && (refusal = BudgetRules.CheckNew(request, context.GetTenantId(), out var wanted)) is null)
        {
            if (await store.AddAsync(wanted, context.User.GetCaller().KeyId, context.RequestAborted) is { } added)
            {
                context.Response.Headers.Location = $"/api/v1/budgets/{added.Id}";
                await JsonAnswer.WriteAsync(context, StatusCodes.Status201Created, Show(added), WireJson.Default.Budget);
                return;
            }

            refusal = ProblemTypes.BudgetExists.With(
                $"There is a budget with the scope {wanted.Scope.ToWire()}, the same subject and the window {wanted.Period.ToWire()}. Change that one with PUT, or end it first."
            );
        }

        await context.RefuseAsync(refusal);
    }

    public async Task PutAsync(HttpContext context)
    {
        var (refusal, request) = await ReadAsync(context);
        if (refusal is null)
        {
            if (await FindAsync(context) is not { } budget)
            {
                refusal = Unknown(context);
            }
            else if ((refusal = BudgetRules.CheckChange(request, budget, out var changed)) is null)
            {
                if (await store.ChangeAsync(changed, context.User.GetCaller().KeyId, context.RequestAborted) is { } now)
                {
                    await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, Show(now), WireJson.Default.Budget);
                    return;
                }

                refusal = Unknown(context);
            }
        }

        await context.RefuseAsync(refusal);
    }

    public async Task DeleteAsync(HttpContext context)
    {
        var caller = context.User.GetCaller();
        if (IdOf(context) is { } id && await store.EndAsync(caller.TenantId, id, caller.KeyId, context.RequestAborted))
        {
            context.Response.StatusCode = StatusCodes.Status204NoContent;
        }
        else
        {
            await context.RefuseAsync(Unknown(context));
        }
    }

    private static async Task<(Refusal?, BudgetRequest)> ReadAsync(HttpContext context)
    {
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.BudgetRequest);
        return (refusal ?? QueryParameters.CheckNames(context.Request), request);
    }

    private async Task<Budget?> FindAsync(HttpContext context) =>
        IdOf(context) is { } id ? (await store.ListAsync(context.GetTenantId(), id, context.RequestAborted)).SingleOrDefault() : null;

    private static Guid? IdOf(HttpContext context) => Guid.TryParse((string)context.Request.RouteValues["id"]!, out var id) ? id : null;

    private static Refusal Unknown(HttpContext context) =>
        ProblemTypes.BudgetNotFound.With(
            $"There is no budget {Quoted.Of((string)context.Request.RouteValues["id"]!)}. GET /api/v1/budgets lists them."
        );

    private static WireBudget Show(Budget budget) =>
        new()
        {
            Id = budget.Id,
            Scope = budget.Scope.ToWire(),
            Subject = budget.Subject.Length == 0 ? null : budget.Subject,
            Window = budget.Period.ToWire(),
            LimitUsd = budget.LimitUsd,
            Hard = budget.Hard,
            Thresholds = [.. budget.Thresholds.Select(percent => (int)percent)],
            SpentUsd = budget.SettledUsd,
            ReservedUsd = budget.ReservedUsd,
            WindowStartedAt = budget.Period == BudgetPeriod.Total ? budget.CreatedAt : budget.WindowAt,
            WindowEndsAt = budget.TurnsAt,
            CreatedAt = budget.CreatedAt,
        };
}
