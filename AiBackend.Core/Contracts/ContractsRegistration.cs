using AiBackend.Core.Contracts.Rules;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace AiBackend.Core.Contracts;

/// <summary>Registers what looks at answers.</summary>
public static class ContractsRegistration
{
    /// <summary>Adds contracts, and the validators that come with the product. May be asked for by several.</summary>
    public static IServiceCollection AddOutputContracts(this IServiceCollection services)
    {
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IOutputRule, IbanRule>());
        services.TryAddSingleton<OutputContracts>();
        return services;
    }
}
