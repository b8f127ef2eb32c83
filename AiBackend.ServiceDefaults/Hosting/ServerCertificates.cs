using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace AiBackend.ServiceDefaults.Hosting;

/// <summary>With which certificate a site answers under https. Kestrel takes the one for development when it is given none, and says nothing.</summary>
public static class ServerCertificates
{
    /// <summary>Refuses to start in Production with https and no certificate of one's own.</summary>
    public static void RequireOwnCertificate(this IHostApplicationBuilder builder)
    {
        if (builder.Environment.IsProduction())
        {
            builder.Services.AddOptions<KestrelServerOptions>().ValidateOnStart();
            builder.Services.AddSingleton<IValidateOptions<KestrelServerOptions>, NoCertificateOfDevelopment>();
        }
    }

    private sealed class NoCertificateOfDevelopment(IConfiguration configuration) : IValidateOptions<KestrelServerOptions>
    {
        public ValidateOptionsResult Validate(string? name, KestrelServerOptions options) =>
            HasOne(configuration.GetSection("Kestrel:Certificates:Default")) || FindBare() is not { } address
                ? ValidateOptionsResult.Success
                : ValidateOptionsResult.Fail(
                    $"'{address}' is https without a certificate, for which the one of Development would be taken. In Production set Kestrel__Certificates__Default__Path (and …__KeyPath or …__Password), or listen to http behind a proxy that ends TLS."
                );

        private string? FindBare() =>
            configuration
                .GetSection("Kestrel:Endpoints")
                .GetChildren()
                .Where(endpoint => !HasOne(endpoint.GetSection("Certificate")))
                .Select(endpoint => endpoint["Url"])
                .Concat((configuration["urls"] ?? "").Split(';'))
                .FirstOrDefault(IsHttps)
            ?? (configuration["https_ports"] is { Length: > 0 } ports ? $"https_ports={ports}" : null);

        private static bool IsHttps(string? address) => address?.Trim().StartsWith("https:", StringComparison.OrdinalIgnoreCase) == true;

        private static bool HasOne(IConfigurationSection certificate) =>
            certificate["Path"] is { Length: > 0 } || certificate["Subject"] is { Length: > 0 };
    }
}
