using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using AiBackend.Api.OpenAi.Catalog;
using AiBackend.Api.OpenAi.Chat;
using AiBackend.Api.OpenAi.Files;
using AiBackend.Api.OpenAi.Responses;

namespace AiBackend.Api.OpenAi.Wire;

/// <summary>What is written under /v1. Bodies that come in are read by hand, because every member that is not known needs an answer of its own.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(OpenAiErrorBody))]
[JsonSerializable(typeof(ModelObject))]
[JsonSerializable(typeof(ModelList))]
[JsonSerializable(typeof(ChatCompletionObject))]
[JsonSerializable(typeof(ChatUsageObject))]
[JsonSerializable(typeof(ResponseDetails))]
[JsonSerializable(typeof(FileObject))]
[JsonSerializable(typeof(FileList))]
[JsonSerializable(typeof(DeletedFile))]
[JsonSerializable(typeof(JsonObject))]
internal sealed partial class OpenAiJson : JsonSerializerContext;
