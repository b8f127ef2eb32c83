using System.Text.Json.Nodes;
using AiBackend.ApiContracts.DeadLetters;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Tools;
using AiBackend.ApiContracts.Workflows;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace AiBackend.Api.OpenApi;

/// <summary>What the types of the contracts cannot say about themselves: members whose shape depends on another, closed sets, an example.</summary>
internal sealed class ContractSchemas(OpenApiDocument document, OpenApiDocumentTransformerContext context)
{
    private const string Example = """
        {
          "type": "chat",
          "model": "default",
          "feature": "support-summary",
          "priority": "interactive",
          "input": {
            "messages": [
              { "role": "system", "content": "Answer in one sentence." },
              { "role": "user", "content": "Why is the sky blue?" }
            ],
            "max_output_tokens": 200,
            "temperature": 0.2
          },
          "metadata": { "order": "A-1" }
        }
        """;

    private static readonly (string Name, Type Payload)[] Events =
    [
        (JobEventTypes.State, typeof(StateEvent)),
        (JobEventTypes.Delta, typeof(DeltaEvent)),
        (JobEventTypes.Snapshot, typeof(SnapshotEvent)),
        (JobEventTypes.Reset, typeof(ResetEvent)),
        (JobEventTypes.Continued, typeof(ContinuedEvent)),
        (JobEventTypes.ToolCall, typeof(ToolCallEvent)),
        (JobEventTypes.ToolResult, typeof(ToolResultEvent)),
        (JobEventTypes.Usage, typeof(UsageEvent)),
        (JobEventTypes.Notice, typeof(NoticeEvent)),
        (JobEventTypes.Final, typeof(FinalEvent)),
    ];

    /// <summary>The input of a submit is untyped in the contract, because its shape depends on the type.</summary>
    public async Task DescribeInputAsync(CancellationToken cancellationToken)
    {
        await AddAsync(typeof(SubmitJobRequest), cancellationToken);
        await AddAsync(typeof(ChatInput), cancellationToken);
        await AddAsync(typeof(ChatTool), cancellationToken);
        ((OpenApiSchema)Schema(nameof(ChatInput)).Properties!["tools"]).Items = new OpenApiSchema
        {
            OneOf = [new OpenApiSchema { Type = JsonSchemaType.String }, new OpenApiSchemaReference(nameof(ChatTool), document)],
        };
        var request = Schema(nameof(SubmitJobRequest));
        request.Properties!["input"] = new OpenApiSchemaReference(nameof(ChatInput), document);
        request.Required = new HashSet<string>(StringComparer.Ordinal) { "type", "input" };
        request.AdditionalPropertiesAllowed = false;
        request.Examples = [JsonNode.Parse(Example)!];

        await AddAsync(typeof(ReplayRequest), cancellationToken);
        var replay = Schema(nameof(ReplayRequest));
        replay.Properties!["input"] = new OpenApiSchemaReference(nameof(ChatInput), document);
        replay.AdditionalPropertiesAllowed = false;

        await AddAsync(typeof(RunWorkflowRequest), cancellationToken);
        Schema(nameof(RunWorkflowRequest)).Properties!["input"] = new OpenApiSchema
        {
            Description = "What the steps call `input`; it must fit the workflow's schema.",
        };

        await AddAsync(typeof(ToolRequest), cancellationToken);
        Schema(nameof(ToolRequest)).Properties!["parameters"] = new OpenApiSchema { Description = "JSON Schema of the arguments." };

        await AddAsync(typeof(WorkflowEvent), cancellationToken);
        Schema(nameof(WorkflowEvent)).Properties!["data"] = new OpenApiSchema { Description = "What the step gives." };

        await AddAsync(typeof(BulkFilter), cancellationToken);
        await AddAsync(typeof(BulkReplayRequest), cancellationToken);
        await AddAsync(typeof(BulkDiscardRequest), cancellationToken);
        Schema(nameof(BulkReplayRequest)).AdditionalPropertiesAllowed = false;
        Schema(nameof(BulkDiscardRequest)).AdditionalPropertiesAllowed = false;
    }

    /// <summary>The payload of an event depends on its name.</summary>
    public async Task DescribeEventsAsync(CancellationToken cancellationToken)
    {
        foreach (var (_, payload) in Events)
        {
            await AddAsync(payload, cancellationToken);
        }

        var entry = Schema(nameof(JobEvent));
        entry.Properties!["data"] = new OpenApiSchema
        {
            Description = "The payload; its shape depends on `event`.",
            OneOf = [.. Events.Select(kind => new OpenApiSchemaReference(kind.Payload.Name, document))],
        };
        Close(nameof(JobEvent), "event", [.. Events.Select(kind => kind.Name)]);
    }

    /// <summary>Lists every value that a member can have.</summary>
    public void Close(string type, string member, IReadOnlyList<string> values)
    {
        var schema = (OpenApiSchema)Schema(type).Properties![member];
        IEnumerable<JsonNode> closed = values.Select(value => (JsonNode)value);
        schema.Enum = [.. schema.Type?.HasFlag(JsonSchemaType.Null) == true ? closed.Append(JsonNullSentinel.JsonNull) : closed];
    }

    private async Task AddAsync(Type type, CancellationToken cancellationToken)
    {
        var schema = await context.GetOrCreateSchemaAsync(type, null, cancellationToken);
        if (document.Components?.Schemas?.ContainsKey(type.Name) != true)
        {
            document.AddComponent(type.Name, schema);
        }
    }

    private OpenApiSchema Schema(string name) => (OpenApiSchema)document.Components!.Schemas![name];
}
