using Microsoft.Extensions.Configuration;

namespace AiBackend.ServiceDefaults;

/// <summary>Where another service of the application listens, as the AppHost tells it.</summary>
public static class ServiceAddress
{
    /// <summary>The base address of <paramref name="service"/> from <c>services:{service}:http:0</c>.</summary>
    /// <exception cref="InvalidOperationException">It is missing or is no http address; the message names the variable.</exception>
    public static Uri Of(IConfiguration configuration, string service)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentException.ThrowIfNullOrWhiteSpace(service);
        var variable = $"services__{service}__http__0";

        var value = configuration[$"services:{service}:http:0"];
        if (string.IsNullOrWhiteSpace(value))
        {
            throw new InvalidOperationException(
                $"The address of the service '{service}' is not known. Start this process through the AppHost, "
                    + $"or set {variable} to its base address, for example {variable}=http://127.0.0.1:5080."
            );
        }

        if (Uri.TryCreate(value, UriKind.Absolute, out var address) && address.Scheme is "http" or "https")
        {
            return address;
        }

        throw new InvalidOperationException(
            $"{variable} is '{value}', which is not an absolute http or https address. Use for example http://127.0.0.1:5080."
        );
    }
}
