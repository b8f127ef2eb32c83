using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using AiBackend.ApiContracts.Knowledge;
using AiBackend.Core.Knowledge;

namespace AiBackend.Core.Tools.Code;

/// <summary>Looks into the tenant's texts, for models that decide themselves what they need, and for steps of workflows.</summary>
/// <remarks>It speaks for whoever the job's caller named, and for nobody that a model names. Looking is paid for by the job's key.</remarks>
internal sealed class SearchKnowledge(KnowledgeSearch knowledge) : ICodeTool
{
    /// <summary>Of the call's time, what the question may take to become a vector. The rest is for the search, which words alone are enough for.</summary>
    private const double VectorShare = 0.4;

    private static readonly JsonWriterOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public string Name => CodeTools.SearchKnowledge;

    public string Description =>
        "Looks for passages in a collection of documents. Gives a list, best first, of which each has the passage's text, its source and when that changed.";

    public JsonElement Parameters { get; } =
        JsonElement.Parse(
            """
            {"type":"object","additionalProperties":false,"required":["collection","query"],
             "properties":{"collection":{"type":"string","minLength":1,"maxLength":64,"description":"The collection."},
                           "query":{"type":"string","minLength":1,"maxLength":2000,"description":"Words to look for. Any of them may match."},
                           "limit":{"type":"integer","minimum":1,"maximum":20,"default":5,"description":"How many passages at most."}}}
            """
        );

    public async ValueTask<CodeResult> RunAsync(CodeCaller caller, JsonElement arguments, CancellationToken cancellationToken)
    {
        var found = await knowledge.RunAsync(
            new KnowledgeAsker(caller.TenantId, caller.KeyId) { Patience = caller.Time * VectorShare },
            arguments.GetProperty("collection").GetString()!,
            new KnowledgeQuery
            {
                Query = arguments.GetProperty("query").GetString(),
                Readers = caller.Readers,
                Limit = arguments.TryGetProperty("limit", out var limit) ? (int)limit.GetDouble() : null,
            },
            cancellationToken
        );
        return new(Write(found.Data));
    }

    private static string Write(IReadOnlyList<KnowledgePassage> passages)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, Readable))
        {
            json.WriteStartArray();
            foreach (var passage in passages)
            {
                json.WriteStartObject();
                json.WriteString("source", passage.Source);
                json.WriteString("title", passage.Title);
                json.WriteString("updated_at", passage.UpdatedAt);
                json.WriteString("text", passage.Text);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        return System.Text.Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
