using System.Text.Json;
using System.Text.Json.Nodes;

namespace AiBackend.Api.OpenAi.Batches;

/// <summary>Why a file is no batch.</summary>
/// <param name="Code">For programs.</param>
/// <param name="Message">For people, with the remedy.</param>
/// <param name="Line">Where; null is nowhere in particular.</param>
/// <param name="Param">The member to blame; null when there is none.</param>
internal sealed record BatchFault(string Code, string Message, int? Line = null, string? Param = null)
{
    public static string ToJson(IEnumerable<BatchFault> faults) =>
        new JsonArray([
            .. faults.Select(fault => new JsonObject
            {
                ["code"] = fault.Code,
                ["message"] = fault.Message,
                ["param"] = fault.Param,
                ["line"] = fault.Line,
            }),
        ]).ToJsonString(Readable);

    private static readonly JsonSerializerOptions Readable = new()
    {
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };
}
