using System.Text.Json;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Contracts;
using AiBackend.Core.Contracts;

namespace AiBackend.Api.Contracts;

/// <summary>Looks at the member <c>contract</c> of a body.</summary>
internal sealed class ContractFields(OutputContracts contracts)
{
    private const string InBody = "contract";

    /// <returns>Why the body is refused outright, or null; lesser faults are added to <paramref name="errors"/>.</returns>
    public Refusal? Check(OutputContract? contract, FieldErrors errors, string place = InBody)
    {
        if (contract is null)
        {
            return null;
        }

        contracts.Refuse(contract, (at, fault) => errors.Add($"{place}.{at}", fault));
        return contract.Schema is { ValueKind: JsonValueKind.Object } schema ? ForbiddenMembers.Find(schema, $"{place}.schema") : null;
    }
}
