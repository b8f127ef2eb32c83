using System.Net;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace AiBackend.Core.Redis;

/// <summary>Production only: a Redis that others can reach must ask for a password (D-2).</summary>
internal sealed class RedisPassword(IConfiguration configuration) : IValidateOptions<RedisOptions>
{
    public ValidateOptionsResult Validate(string? name, RedisOptions options)
    {
        if (configuration.GetConnectionString("redis") is not { Length: > 0 } text)
        {
            return ValidateOptionsResult.Success; // Missing: said where it is needed.
        }

        var connection = ConfigurationOptions.Parse(text);
        return connection.Password is { Length: > 0 } || connection.EndPoints.All(IsHere)
            ? ValidateOptionsResult.Success
            : ValidateOptionsResult.Fail(
                $"ConnectionStrings__redis leads to {string.Join(", ", connection.EndPoints.Where(end => !IsHere(end)).Select(Name))} without a password. In Production set one (requirepass in Redis) and add password=… to the connection string."
            );
    }

    private static bool IsHere(EndPoint end) =>
        end switch
        {
            IPEndPoint address => IPAddress.IsLoopback(address.Address),
            DnsEndPoint host => host.Host.Equals("localhost", StringComparison.OrdinalIgnoreCase),
            _ => true,
        };

    private static string Name(EndPoint end) =>
        end switch
        {
            DnsEndPoint host => FormattableString.Invariant($"{host.Host}:{host.Port}"),
            _ => end.ToString() ?? "",
        };
}
