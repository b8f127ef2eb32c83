using System.Text.Json.Serialization;

namespace AiBackend.Core.Contracts;

/// <summary>Plain texts as JSON.</summary>
[JsonSerializable(typeof(string))]
internal sealed partial class ContractJson : JsonSerializerContext;
