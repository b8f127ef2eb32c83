using System.Globalization;
using System.Runtime.InteropServices;
using AiBackend.Simulator.Behaviours;

namespace AiBackend.Simulator.Chat;

/// <summary>Tokens of one call, and how they are told.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct TokenCounts(int Input, int Output)
{
    public string ToJson(SimUsage honesty) =>
        honesty switch
        {
            SimUsage.Null => "null",
            SimUsage.Negative => """{"prompt_tokens":-7,"completion_tokens":-3,"total_tokens":-10}""",
            SimUsage.Huge => """{"prompt_tokens":9223372036854775807,"completion_tokens":99999999999999999999,"total_tokens":1e30}""",
            SimUsage.Text => """{"prompt_tokens":"many","completion_tokens":"few","total_tokens":"enough"}""",
            _ => string.Create(
                CultureInfo.InvariantCulture,
                $$$"""{"prompt_tokens":{{{Input}}},"completion_tokens":{{{Output}}},"total_tokens":{{{Input + Output}}}}"""
            ),
        };
}
