using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Contracts;
using AiBackend.Core.Contracts;
using AiBackend.Core.Contracts.Rules;

namespace AiBackend.Tests.Contracts;

/// <summary>Contracts as callers write them.</summary>
internal static class Contract
{
    public static OutputContracts Checker { get; } = new([new IbanRule()]);

    public static OutputContract Of(string json) => JsonSerializer.Deserialize(json, WireJson.Default.OutputContract)!;

    public static OutputContract OfSchema(string schema, string policy = "repair") =>
        Of($$"""{"schema":{{schema}},"on_violation":"{{policy}}"}""");

    public static OutputContract OfRule(string rule) => Of($$"""{"rules":[{{rule}}]}""");

    /// <summary>What is said about it at the door.</summary>
    public static IReadOnlyList<string> Faults(OutputContract contract)
    {
        var faults = new List<string>();
        Checker.Refuse(contract, (place, fault) => faults.Add($"{place} {fault}"));
        return faults;
    }

    public static CheckedAnswer Check(OutputContract contract, string text, string? finishReason = "stop", string source = "") =>
        Checker.Check(contract, text, finishReason, source);
}
