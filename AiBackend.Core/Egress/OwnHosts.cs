using System.Data.Common;
using Microsoft.Extensions.Configuration;

namespace AiBackend.Core.Egress;

/// <summary>Names of what this installation consists of, as its configuration has them.</summary>
internal static class OwnHosts
{
    private static readonly string[] HostWords = ["Host", "Server"];

    public static IEnumerable<string> Of(IConfiguration configuration)
    {
        var connections = configuration.GetSection("ConnectionStrings").GetChildren().SelectMany(entry => OfConnection(entry.Value ?? ""));
        var services = configuration
            .GetSection("services")
            .GetChildren()
            .SelectMany(service => service.GetChildren().SelectMany(kind => kind.GetChildren()))
            .Select(entry => Uri.TryCreate(entry.Value, UriKind.Absolute, out var address) ? EgressOrigin.HostOf(address) : "");
        // What callers call this installation by; a pattern is no name.
        var called = (configuration["AllowedHosts"] ?? "").Split(';', StringSplitOptions.TrimEntries).Where(name => !name.Contains('*'));
        return connections.Concat(services).Concat(called).Where(host => host.Length > 0);
    }

    /// <summary><c>Host=a,b;…</c> of Postgres, or <c>a:6379,b:6379,…</c> of Redis.</summary>
    private static IEnumerable<string> OfConnection(string text)
    {
        var builder = new DbConnectionStringBuilder();
        try
        {
            builder.ConnectionString = text;
        }
        catch (ArgumentException)
        {
            // Redis' form has no pairs.
            builder.Clear();
        }

        var hosts = HostWords.Select(word => builder.TryGetValue(word, out var value) ? value?.ToString() : null).OfType<string>();
        return (hosts.FirstOrDefault() ?? text).Split(',').Select(part => part.Trim().Split(':')[0]);
    }
}
