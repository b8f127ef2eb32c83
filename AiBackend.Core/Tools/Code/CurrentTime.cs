using System.Globalization;
using System.Text.Json;

namespace AiBackend.Core.Tools.Code;

/// <summary>What time it is, which no model knows.</summary>
internal sealed class CurrentTime(TimeProvider clock) : ICodeTool
{
    public string Name => "current_time";

    public string Description => "Tells the current date and time, in UTC or in the time zone that is asked for.";

    public JsonElement Parameters { get; } =
        JsonElement.Parse(
            """
            {"type":"object","additionalProperties":false,
             "properties":{"time_zone":{"type":"string","maxLength":64,"default":"UTC","description":"IANA name, such as Europe/Berlin."}}}
            """
        );

    public ValueTask<CodeResult> RunAsync(CodeCaller caller, JsonElement arguments, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        if (!arguments.TryGetProperty("time_zone", out var zone))
        {
            return new(new CodeResult(now.ToString("yyyy-MM-dd'T'HH:mm:ss'Z', dddd", CultureInfo.InvariantCulture)));
        }

        return new(
            TimeZoneInfo.TryFindSystemTimeZoneById(zone.GetString()!, out var found)
                ? new CodeResult(
                    TimeZoneInfo.ConvertTime(now, found).ToString("yyyy-MM-dd'T'HH:mm:sszzz, dddd", CultureInfo.InvariantCulture)
                )
                : new CodeResult("There is no such time zone. Use an IANA name, such as Europe/Berlin.", IsError: true)
        );
    }
}
