using System.Text.Json.Serialization.Metadata;

namespace AiBackend.Web.Api;

/// <summary>What an answer without a body says beyond that it went well.</summary>
internal sealed record Nothing
{
    public static Nothing Value { get; } = new();

    /// <summary>It is never read; the calls want to know how.</summary>
    public static JsonTypeInfo<Nothing> Type { get; } = JsonTypeInfo.CreateJsonTypeInfo<Nothing>(ClientJson.Lenient.Options);
}
