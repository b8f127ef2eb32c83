using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using IPNetwork = System.Net.IPNetwork;

namespace AiBackend.ServiceDefaults.Hosting;

/// <summary>
/// Proxies whose word about a caller's address and scheme counts (<c>Proxies__0</c>, …, in CIDR notation). Nobody's does by default: whoever
/// may say where he comes from is never limited.
/// </summary>
public static class Proxies
{
    private const string Section = "Proxies";

    /// <summary>Reads the networks; call <see cref="UseProxies"/> first in the pipeline.</summary>
    public static void AddProxies(this IHostApplicationBuilder builder)
    {
        var texts = builder.Configuration.GetSection(Section).Get<string[]>() ?? [];
        builder
            .Services.AddOptions<ForwardedHeadersOptions>()
            .Configure(options =>
            {
                options.ForwardedHeaders =
                    texts.Length == 0 ? ForwardedHeaders.None : ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto;
                options.KnownProxies.Clear();
                options.KnownIPNetworks.Clear();
                foreach (var text in texts)
                {
                    if (IPNetwork.TryParse(text, out var network))
                    {
                        options.KnownIPNetworks.Add(network);
                    }
                }

                // Every known proxy of a chain is passed, and the first unknown address counts.
                options.ForwardLimit = null;
            })
            .ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<ForwardedHeadersOptions>>(new Networks(texts));
    }

    /// <summary>Takes on the address and scheme that a known proxy tells.</summary>
    public static void UseProxies(this WebApplication app) => app.UseForwardedHeaders();

    private sealed class Networks(string[] texts) : IValidateOptions<ForwardedHeadersOptions>
    {
        public ValidateOptionsResult Validate(string? name, ForwardedHeadersOptions options) =>
            texts.FirstOrDefault(text => !IPNetwork.TryParse(text, out _)) is { } wrong
                ? ValidateOptionsResult.Fail(
                    $"{Section} has '{wrong}', which is no network in CIDR notation. Use for example {Section}__0=10.0.0.0/8, or 10.0.0.7/32 for one proxy."
                )
                : ValidateOptionsResult.Success;
    }
}
