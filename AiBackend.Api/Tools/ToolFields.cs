using System.Text.Json;
using System.Text.RegularExpressions;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Tools;
using AiBackend.Core.Egress;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Code;
using Microsoft.Extensions.Options;

namespace AiBackend.Api.Tools;

/// <summary>What a tool may be.</summary>
internal sealed partial class ToolFields(EgressRules egress, CodeTools code, IOptions<ToolsOptions> options)
{
    private const int MostDescription = 1024;
    private const int LongestHeader = 4096;
    private const int MostKeys = 100;
    private const int MostCalls = 1_000_000;
    private const int MostRemoteName = 128;
    private const int DefaultTimeout = 15;
    private const int LongestTimeout = 120;
    private const int DefaultWait = 60 * 60;
    private const int LongestWait = 30 * 24 * 60 * 60;

    private static readonly string[] CalledEffects = [ToolEffects.Read, ToolEffects.WriteIdempotent, ToolEffects.Write];

    // What is ours to say, or would change how the request is read.
    private static readonly HashSet<string> OwnHeaders = new(StringComparer.OrdinalIgnoreCase)
    {
        "Host",
        "Content-Type",
        "Content-Length",
        "Transfer-Encoding",
        "Connection",
        "Expect",
        "Upgrade",
        "TE",
        "Trailer",
        "Idempotency-Key",
        "User-Agent",
    };

    /// <returns>Why there can be no such tool, or null; then <paramref name="definition"/> is set.</returns>
    public Refusal? Check(string name, ToolRequest request, Guid tenantId, out ToolDefinition definition)
    {
        var errors = new FieldErrors();
        ToolRules.CheckName("name", name, errors);
        if (code.Find(name) is not null)
        {
            errors.Add("name", $"is {Quoted.Of(name)}, which comes with the product. Choose another one.");
        }

        var isCalled = request.Kind is ToolKinds.Http or ToolKinds.Mcp;
        if (!isCalled && request.Kind != ToolKinds.Client)
        {
            errors.Add("kind", $"is {(request.Kind is null ? "missing" : Quoted.Of(request.Kind))}; it must be one of http, mcp, client.");
        }

        errors.CheckText("description", request.Description, MostDescription);
        errors.CheckRange("timeout_seconds", request.TimeoutSeconds, 1, isCalled ? LongestTimeout : LongestWait);
        errors.CheckRange("max_result_bytes", request.MaxResultBytes, 1, EgressClient.MostBytes);
        CheckRate(request, errors);
        var effect = EffectOf(request, isCalled, errors);
        CheckAddresses(request, isCalled, effect, errors);
        CheckServer(request, tenantId, errors);
        CheckHeader(request, errors);
        CheckKeys(request.Keys, errors);
        var refusal = CheckParameters(request.Parameters, errors);
        definition = new ToolDefinition
        {
            Name = name,
            Kind = request.Kind ?? "",
            Description = request.Description,
            Parameters = request.Parameters is { ValueKind: JsonValueKind.Object } schema ? schema : null,
            Effect = effect,
            TimeoutSeconds = request.TimeoutSeconds ?? (isCalled ? DefaultTimeout : DefaultWait),
            MaxResultBytes = request.MaxResultBytes ?? ToolDefinition.DefaultResultBytes,
            CallsPerMinute = request.CallsPerMinute,
            Url = request.Url,
            Server = request.Server,
            RemoteName = request.RemoteName,
            VerifyUrl = request.VerifyUrl,
            HeaderName = request.Header?.Name,
            // Who knows that nobody has to look says so.
            NeedsApproval = request.NeedsApproval ?? effect == ToolEffect.Write,
            Keys = request.Keys,
        };
        return refusal ?? errors.ToRefusal();
    }

    private static void CheckRate(ToolRequest request, FieldErrors errors)
    {
        errors.CheckRange("calls_per_minute", request.CallsPerMinute, 1, MostCalls);
        if (request is { CallsPerMinute: not null, Kind: ToolKinds.Client })
        {
            errors.Add(
                "calls_per_minute",
                "is only for tools of the kinds http and mcp; those of the kind client are run by whoever watches."
            );
        }
    }

    private static ToolEffect EffectOf(ToolRequest request, bool isCalled, FieldErrors errors)
    {
        var effect = ToolEffectNames.Parse(request.Effect ?? (isCalled ? null : ToolEffects.ExternalWait));
        if (effect is { } known && isCalled != (known == ToolEffect.ExternalWait))
        {
            return known;
        }

        errors.Add(
            "effect",
            isCalled
                ? $"is {(request.Effect is null ? "missing" : Quoted.Of(request.Effect))}; it must be one of {string.Join(", ", CalledEffects)}."
                : $"is {Quoted.Of(request.Effect ?? "")}; a tool of the kind client has the effect external_wait."
        );
        return ToolEffect.Write;
    }

    private void CheckAddresses(ToolRequest request, bool isCalled, ToolEffect effect, FieldErrors errors)
    {
        if (!isCalled && (request.Url ?? request.VerifyUrl) is not null)
        {
            errors.Add("url", "is only for tools of the kinds http and mcp; leave it and verify_url out.");
            return;
        }

        if (isCalled && request.Server is null && egress.Check(request.Url ?? "", out _) is { } fault)
        {
            errors.Add("url", fault);
        }

        if (request.VerifyUrl is not { } verify)
        {
            return;
        }

        if (effect != ToolEffect.Write)
        {
            errors.Add("verify_url", "is only for tools with the effect write; calls of the others are sent again.");
        }
        else if (egress.Check(verify, out _) is { } other)
        {
            errors.Add("verify_url", other);
        }
    }

    private void CheckServer(ToolRequest request, Guid tenantId, FieldErrors errors)
    {
        if (request.Kind != ToolKinds.Mcp)
        {
            if ((request.Server ?? request.RemoteName) is not null)
            {
                errors.Add("server", "is only for tools of the kind mcp; leave it and remote_name out.");
            }

            return;
        }

        errors.CheckText("remote_name", request.RemoteName, MostRemoteName);
        if (request.Server is not { } server)
        {
            return;
        }

        if (request.Url is not null)
        {
            errors.Add("server", "is given beside url; a tool is called at one of them.");
        }
        // To other tenants it is as if there were none.
        else if (!options.Value.McpServers.TryGetValue(server, out var known) || !known.IsFor(tenantId))
        {
            errors.Add(
                "server",
                $"is {Quoted.Of(server)}; there is none for you. An operator sets Tools__McpServers__NAME__Command and …__Tenants__0, or send a url."
            );
        }
    }

    private static void CheckHeader(ToolRequest request, FieldErrors errors)
    {
        if (request.Header is not { } header)
        {
            return;
        }

        if (request.Kind == ToolKinds.Client || request.Server is not null)
        {
            errors.Add("header", "is only for tools with a url.");
        }

        if (header.Name is not { } name || !HeaderName().IsMatch(name) || OwnHeaders.Contains(name))
        {
            errors.Add(
                "header.name",
                $"is {(header.Name is null ? "missing" : Quoted.Of(header.Name))}; it must be a header's name of at most 64 characters, and none that is set here."
            );
        }

        if (header.Value is { } value && (value.Length is 0 or > LongestHeader || !value.All(letter => letter is >= ' ' and < '\x7f')))
        {
            errors.Add("header.value", FormattableString.Invariant($"must have 1 to {LongestHeader} printable ASCII characters."));
        }
    }

    private static void CheckKeys(IReadOnlyList<string>? keys, FieldErrors errors)
    {
        if (keys is null)
        {
            return;
        }

        if (keys.Count is 0 or > MostKeys)
        {
            errors.Add(
                "keys",
                FormattableString.Invariant($"has {keys.Count} keys; 1 to {MostKeys} are allowed. Leave it out for all keys.")
            );
        }
        else if (keys.Any(key => key is not { Length: > 0 and <= 64 }))
        {
            errors.Add("keys", "must have public ids of keys, as GET /api/v1/keys shows them.");
        }
    }

    private static Refusal? CheckParameters(JsonElement? parameters, FieldErrors errors)
    {
        if (parameters is not { ValueKind: not JsonValueKind.Null } schema)
        {
            return null;
        }

        if (schema.ValueKind != JsonValueKind.Object)
        {
            errors.Add("parameters", "must be a JSON schema, which is an object.");
            return null;
        }

        ToolArguments.Refuse(schema, (place, fault) => errors.Add("parameters" + place, fault));
        return ForbiddenMembers.Find(schema, "parameters");
    }

    [GeneratedRegex("^[A-Za-z0-9-]{1,64}$", RegexOptions.None, 1000)]
    private static partial Regex HeaderName();
}
