using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Authorization;

namespace AiBackend.Tests.Api;

/// <summary>A method of an address.</summary>
/// <param name="Method">ANY where it is not one alone.</param>
/// <param name="Pattern">The address, with its parameters in braces.</param>
/// <param name="Endpoint">What is known of it besides.</param>
internal sealed record ApiCall(string Method, string Pattern, RouteEndpoint Endpoint)
{
    /// <summary>Whether anybody may.</summary>
    public bool IsOpen => Endpoint.Metadata.GetMetadata<IAllowAnonymous>() is not null;

    /// <summary>The policies that it asks for.</summary>
    public IEnumerable<string?> Policies => Endpoint.Metadata.GetOrderedMetadata<IAuthorizeData>().Select(data => data.Policy);
}

/// <summary>What a server can be asked, by the server itself.</summary>
internal static partial class ApiCalls
{
    public static IEnumerable<ApiCall> Calls(this ApiServer api) =>
        from endpoint in api.Get<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
        from method in endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods ?? ["ANY"]
        select new ApiCall(method, "/" + endpoint.RoutePattern.RawText!.Trim('/'), endpoint);

    /// <summary>An address with a value for each parameter.</summary>
    public static string Fill(string pattern, string value) => Fill(pattern, _ => value);

    /// <inheritdoc cref="Fill(string, string)"/>
    /// <param name="pattern">The address.</param>
    /// <param name="valueOf">The value of a parameter, which is given with its braces.</param>
    public static string Fill(string pattern, Func<string, string> valueOf) => Parameter().Replace(pattern, match => valueOf(match.Value));

    [GeneratedRegex(@"\{[^}]+\}", RegexOptions.None, 1000)]
    private static partial Regex Parameter();
}
