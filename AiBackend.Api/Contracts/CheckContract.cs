using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Contracts;
using AiBackend.Core.Contracts;

namespace AiBackend.Api.Contracts;

/// <summary><c>POST /api/v1/contracts/check</c>: what a contract says about a text.</summary>
internal sealed class CheckContract(ContractFields fields, OutputContracts contracts)
{
    public async Task HandleAsync(HttpContext context)
    {
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.CheckContractRequest);
        if ((refusal ?? Check(request)) is { } refused)
        {
            await context.RefuseAsync(refused);
            return;
        }

        var found = contracts.Check(request.Contract!, request.Text!, finishReason: null, request.Source ?? "");
        await JsonAnswer.WriteAsync(
            context,
            StatusCodes.Status200OK,
            new ContractCheckResult(found.Check, found.IsValid ? found.Text : null),
            WireJson.Default.ContractCheckResult
        );
    }

    private Refusal? Check(CheckContractRequest request)
    {
        var errors = new FieldErrors();
        if (request.Contract is null)
        {
            errors.Add("contract", "is missing; send the contract to try.");
        }

        if (request.Text is null)
        {
            errors.Add("text", "is missing; send what a model might answer.");
        }

        return fields.Check(request.Contract, errors) ?? errors.ToRefusal();
    }
}
