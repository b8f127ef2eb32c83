using AiBackend.Core.Contracts.Rules;
using Microsoft.Extensions.DependencyInjection;

namespace AiBackend.Core.Contracts;

/// <summary>Registers what looks at answers.</summary>
public static class ContractsRegistration
{
    /// <summary>Adds contracts, and the validators that come with the product.</summary>
    public static IServiceCollection AddOutputContracts(this IServiceCollection services) =>
        services.AddSingleton<IOutputRule, IbanRule>().AddSingleton<OutputContracts>();
}
