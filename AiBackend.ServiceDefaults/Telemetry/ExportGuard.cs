using System.Diagnostics;
using OpenTelemetry;

namespace AiBackend.ServiceDefaults.Telemetry;

/// <summary>Decides what of a finished span may leave the process.</summary>
/// <remarks>
/// Prompts and answers do not, whatever a library puts on its spans, unless this is a developer's machine and capture was
/// asked for. Health probes are left out: they are most of an idle system's spans and say nothing that a metric does not.
/// </remarks>
internal sealed class ExportGuard(bool keepsContent) : BaseProcessor<Activity>
{
    /// <summary>The content attributes of the <c>gen_ai</c> conventions, today's and those they replaced.</summary>
    private static readonly string[] Content =
    [
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.system_instructions",
        "gen_ai.tool.call.arguments",
        "gen_ai.tool.call.result",
        "gen_ai.prompt",
        "gen_ai.completion",
    ];

    public override void OnEnd(Activity data)
    {
        if (data.Kind == ActivityKind.Server && IsHealthProbe(data))
        {
            data.ActivityTraceFlags &= ~ActivityTraceFlags.Recorded;
            return;
        }

        if (!keepsContent)
        {
            RemoveContent(data);
        }
    }

    private static void RemoveContent(Activity span)
    {
        foreach (var name in Content)
        {
            if (span.GetTagItem(name) is not null)
            {
                span.SetTag(name, null);
            }
        }
    }

    private static bool IsHealthProbe(Activity span) =>
        span.GetTagItem("url.path") is string path && path.StartsWith("/health/", StringComparison.Ordinal);
}
