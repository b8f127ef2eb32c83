using System.Text.Json;
using System.Text.Json.Serialization;
using AiBackend.ApiContracts;

namespace AiBackend.Web.Api;

/// <summary>The wire dialect as a client reads it.</summary>
internal static class ClientJson
{
    /// <summary>A newer Api may send members this build does not know: a client ignores them, a server refuses them.</summary>
    public static WireJson Lenient { get; } =
        new(new JsonSerializerOptions(WireJson.Default.Options) { UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip });
}
