using System.Text.Json;
using System.Text.Json.Serialization;

namespace AiBackend.ApiContracts.Tools;

/// <summary>Body of <c>PUT /api/v1/tools/{name}</c>: what a tool is from now on.</summary>
public sealed record ToolRequest
{
    /// <summary><c>http</c>, <c>mcp</c> or <c>client</c>.</summary>
    public string? Kind { get; init; }

    /// <summary>What it is for, in words for the model; at most 1024 characters.</summary>
    public string? Description { get; init; }

    /// <summary>JSON Schema of its arguments, which are an object; null takes none. Arguments that do not fit are told to the model, and nothing is called.</summary>
    public JsonElement? Parameters { get; init; }

    /// <summary>
    /// What a call does, and so what becomes of one whose answer was lost: <c>read</c> and <c>write_idempotent</c> are sent again with the same
    /// <c>Idempotency-Key</c>; <c>write</c> never is, its outcome is asked of <see cref="VerifyUrl"/> or decided by a person;
    /// <c>external_wait</c> is for kind <c>client</c>, which is its default.
    /// </summary>
    public string? Effect { get; init; }

    /// <summary>How long a call may take, 1 to 120 seconds, 15 by default; with kind <c>client</c> how long its result may take, up to 30 days, an hour by default.</summary>
    public int? TimeoutSeconds { get; init; }

    /// <summary>Bytes of a result that the model is given at most, 1 to 65 536, 16 384 by default; the rest is cut off.</summary>
    public int? MaxResultBytes { get; init; }

    /// <summary>Calls a minute of the clock, of all jobs together, 1 to 1 000 000; a model that asks for more is told so, and goes on. Not for kind <c>client</c>.</summary>
    public int? CallsPerMinute { get; init; }

    /// <summary>An https address on the internet: with kind <c>http</c> the arguments are posted to it, with kind <c>mcp</c> a server listens there (Streamable HTTP).</summary>
    public string? Url { get; init; }

    /// <summary>With kind <c>mcp</c>, in place of <see cref="Url"/>: a server that the operator runs beside the workers (<c>Tools__McpServers__NAME__Command</c>).</summary>
    public string? Server { get; init; }

    /// <summary>With kind <c>mcp</c>: what the server calls the tool; left out, it is called the same there.</summary>
    public string? RemoteName { get; init; }

    /// <summary>
    /// With effect <c>write</c>: asked with <c>?effect_id=</c> when nobody knows whether a call took effect. 2xx says that it did, and has its result;
    /// 404 says that it did not and, from then on, will not.
    /// </summary>
    public string? VerifyUrl { get; init; }

    /// <summary>With a <see cref="Url"/>: a header that goes with each call, such as <c>Authorization</c>; its value is write-only.</summary>
    public ToolHeader? Header { get; init; }

    /// <summary>
    /// Whether a person has to approve each call, with its exact arguments, before it is made. Left out, calls of tools with the effect <c>write</c> have to
    /// be approved, and no others: kind <c>client</c> is run by the caller, who may ask whom it likes. <c>false</c> has a <c>write</c> made unasked.
    /// </summary>
    public bool? NeedsApproval { get; init; }

    /// <summary>Public ids of the keys whose jobs may use it; null is all of the tenant.</summary>
    public IReadOnlyList<string>? Keys { get; init; }
}

/// <summary>A header that goes with each call of a tool.</summary>
public sealed record ToolHeader
{
    /// <summary>Its name.</summary>
    public string? Name { get; init; }

    /// <summary>Its value; stored encrypted and never shown. Left out, the one of the version before stays.</summary>
    public string? Value { get; init; }
}

/// <summary>A tool, or one version of it.</summary>
/// <param name="Name">What jobs and models call it.</param>
/// <param name="Version">From 1; every change is a new one, and a job keeps the one it was accepted with. 0 comes with the product.</param>
public sealed record Tool(string Name, int Version)
{
    /// <summary>One of <see cref="ToolKinds"/>.</summary>
    public string? Kind { get; init; }

    /// <summary>What it is for.</summary>
    public string? Description { get; init; }

    /// <summary>JSON Schema of its arguments.</summary>
    public JsonElement? Parameters { get; init; }

    /// <summary>One of <see cref="ToolEffects"/>.</summary>
    public string? Effect { get; init; }

    /// <summary>How long a call, or its result, may take.</summary>
    public int TimeoutSeconds { get; init; }

    /// <summary>Bytes of a result that the model is given at most.</summary>
    public int MaxResultBytes { get; init; }

    /// <summary>Calls a minute of the clock, of all jobs together; null is as many as are asked for.</summary>
    public int? CallsPerMinute { get; init; }

    /// <summary>Where its calls go; null when they go nowhere.</summary>
    public string? Url { get; init; }

    /// <summary>The operator's MCP server that has it; null when none has.</summary>
    public string? Server { get; init; }

    /// <summary>What its MCP server calls it; null when that is its name, or it has none.</summary>
    public string? RemoteName { get; init; }

    /// <summary>Where it is asked what became of a call.</summary>
    public string? VerifyUrl { get; init; }

    /// <summary>Name of the secret header; null when there is none.</summary>
    public string? HeaderName { get; init; }

    /// <summary>Whether a person has to approve each call.</summary>
    public bool NeedsApproval { get; init; }

    /// <summary>Whose jobs may use it; null is all.</summary>
    public IReadOnlyList<string>? Keys { get; init; }

    /// <summary>When this version was made; null for what comes with the product.</summary>
    public DateTimeOffset? CreatedAt { get; init; }

    /// <summary>Public id of the key, or the user, that made it.</summary>
    public string? CreatedBy { get; init; }

    /// <summary>Whether this version took it away.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Deleted { get; init; }
}

/// <summary>Answer of <c>GET /api/v1/tools</c>.</summary>
/// <param name="Data">By name.</param>
public sealed record ToolList(IReadOnlyList<Tool> Data);

/// <summary>Who runs a tool.</summary>
public static class ToolKinds
{
    /// <summary>An address, to which the arguments are posted.</summary>
    public const string Http = "http";

    /// <summary>A server that speaks the Model Context Protocol.</summary>
    public const string Mcp = "mcp";

    /// <summary>Whoever posts the result to the job.</summary>
    public const string Client = "client";

    /// <summary>The worker: comes with the product.</summary>
    public const string Code = "code";
}

/// <summary>What a call does.</summary>
public static class ToolEffects
{
    /// <summary>Nothing: it may be made any number of times.</summary>
    public const string Read = "read";

    /// <summary>Something, but for one <c>Idempotency-Key</c> only once.</summary>
    public const string WriteIdempotent = "write_idempotent";

    /// <summary>Something, each time it arrives.</summary>
    public const string Write = "write";

    /// <summary>Somebody else does it, and posts the result.</summary>
    public const string ExternalWait = "external_wait";
}
