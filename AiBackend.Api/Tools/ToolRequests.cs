using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Routing;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Tools;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Code;

namespace AiBackend.Api.Tools;

/// <summary><c>/api/v1/tools</c>: what a tenant's jobs may have run for them.</summary>
internal sealed class ToolRequests(ToolStore store, ToolSeal seal, ToolFields fields, CodeTools code)
{
    private const int MostTurns = 10;

    public async Task ListAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var stored = await store.LatestAsync(context.GetTenantId(), null, context.RequestAborted);
        var tools = code.All.Concat(stored.Select(tool => tool.Definition!)).OrderBy(tool => tool.Name, StringComparer.Ordinal);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, new ToolList([.. tools.Select(Show)]), WireJson.Default.ToolList);
    }

    public async Task GetAsync(HttpContext context)
    {
        string? all = null;
        var refusal =
            QueryParameters.CheckNames(context.Request, "versions") ?? QueryParameters.TryReadText(context.Request, "versions", out all);
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        var name = NameOf(context);
        if (code.Definition(name) is { } own)
        {
            await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, Show(own), WireJson.Default.Tool);
            return;
        }

        var versions = await store.VersionsAsync(context.GetTenantId(), name, context.RequestAborted);
        if (all is not null)
        {
            var list = new ToolList([.. versions.Select(Show)]);
            await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, list, WireJson.Default.ToolList);
        }
        else if (versions is [{ Definition: { } latest }, ..])
        {
            VersionMatch.Tell(context.Response, latest.Version);
            await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, Show(latest), WireJson.Default.Tool);
        }
        else
        {
            await context.RefuseAsync(Unknown(name));
        }
    }

    public async Task PutAsync(HttpContext context)
    {
        var name = NameOf(context);
        int? expected = null;
        var refusal = QueryParameters.CheckNames(context.Request) ?? VersionMatch.TryRead(context.Request, out expected);
        if (refusal is null)
        {
            (refusal, var request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.ToolRequest);
            ToolDefinition definition = null!;
            refusal ??=
                fields.Check(name, request, context.GetTenantId(), out definition)
                ?? await RefuseSecretAsync(context, definition, request.Header);
            refusal ??= await AddAsync(context, name, definition, request.Header?.Value, expected);
        }

        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
        }
    }

    public async Task DeleteAsync(HttpContext context)
    {
        var name = NameOf(context);
        int? expected = null;
        var refusal = QueryParameters.CheckNames(context.Request) ?? VersionMatch.TryRead(context.Request, out expected);
        if (refusal is null && await SetAsync(context, name, null, null, false, expected) is not null)
        {
            context.Response.StatusCode = StatusCodes.Status204NoContent;
            return;
        }

        refusal ??=
            await IsKnownAsync(context, name) && expected is { } version ? VersionMatch.Refuse(Words(name), version) : Unknown(name);
        await context.RefuseAsync(refusal);
    }

    /// <summary>A header's value stays until another is given, so there must be one.</summary>
    private async Task<Refusal?> RefuseSecretAsync(HttpContext context, ToolDefinition tool, ToolHeader? header)
    {
        if (header is null)
        {
            return null;
        }

        if (!seal.IsPossible)
        {
            return ProblemTypes.NoToolSecret.With(
                "This installation has no secret to encrypt the headers of tools with. Set Tools__SealSecret to a random secret of at least 32 characters, the same for every process."
            );
        }

        if (header.Value is not null)
        {
            return null;
        }

        // A value goes where it was meant for, and not where somebody who cannot read it points the tool to.
        var before = (await store.LatestAsync(context.GetTenantId(), [tool.Name], context.RequestAborted)).SingleOrDefault()?.Definition;
        return before is { Secret: not null, Url: { } url } && OriginOf(url) == OriginOf(tool.Url!)
            ? null
            : ProblemTypes.InvalidValue.At(
                "header.value",
                "header.value is missing, and there is none from before for this host. Send one."
            );
    }

    private static string OriginOf(string url) => new Uri(url).GetLeftPart(UriPartial.Authority);

    private async Task<Refusal?> AddAsync(HttpContext context, string name, ToolDefinition definition, string? secret, int? expected)
    {
        var sealedValue = secret is null ? null : seal.Seal(context.GetTenantId(), name, secret);
        var keeps = secret is null && definition.HeaderName is not null;
        for (var turn = 0; turn < MostTurns; turn++)
        {
            if (await SetAsync(context, name, definition, sealedValue, keeps, expected) is { } added)
            {
                VersionMatch.Tell(context.Response, added.Version);
                var status = added.Version == 1 ? StatusCodes.Status201Created : StatusCodes.Status200OK;
                await JsonAnswer.WriteAsync(context, status, Show(added), WireJson.Default.Tool);
                return null;
            }

            // Who expects no version takes the next one when another was faster.
            if (expected is not null || !await IsKnownAsync(context, name))
            {
                break;
            }
        }

        return expected is { } version || await IsKnownAsync(context, name)
            ? VersionMatch.Refuse(Words(name), expected ?? 0)
            : ProblemTypes.TooManyTools.With(
                FormattableString.Invariant($"A tenant has at most {ToolStore.MostOfTenant} tools. Change one of GET /api/v1/tools.")
            );
    }

    private Task<ToolVersion?> SetAsync(
        HttpContext context,
        string name,
        ToolDefinition? definition,
        byte[]? secret,
        bool keepsSecret,
        int? expected
    ) =>
        store.AddAsync(
            context.GetTenantId(),
            name,
            definition,
            secret,
            keepsSecret,
            expected,
            context.User.GetCaller().KeyId,
            context.RequestAborted
        );

    private async Task<bool> IsKnownAsync(HttpContext context, string name) =>
        await store.LatestAsync(context.GetTenantId(), [name], context.RequestAborted) is { Count: > 0 };

    private static Tool Show(ToolVersion version) =>
        version.Definition is { } definition
            ? Show(definition)
            : new Tool(version.Name, version.Version)
            {
                Deleted = true,
                CreatedAt = version.CreatedAt,
                CreatedBy = version.CreatedBy,
            };

    private static Tool Show(ToolDefinition tool) =>
        new(tool.Name, tool.Version)
        {
            Kind = tool.Kind,
            Description = tool.Description,
            Parameters = tool.Parameters,
            Effect = tool.Effect.ToWire(),
            TimeoutSeconds = tool.TimeoutSeconds,
            MaxResultBytes = tool.MaxResultBytes,
            CallsPerMinute = tool.CallsPerMinute,
            Url = tool.Url,
            Server = tool.Server,
            RemoteName = tool.RemoteName,
            VerifyUrl = tool.VerifyUrl,
            HeaderName = tool.HeaderName,
            NeedsApproval = tool.NeedsApproval,
            Keys = tool.Keys,
            CreatedAt = tool.CreatedAt,
            CreatedBy = tool.CreatedBy,
        };

    private static Refusal Unknown(string name) =>
        ProblemTypes.ToolNotFound.With($"There is no tool {Quoted.Of(name)}. GET /api/v1/tools lists them, PUT makes one.");

    private static string Words(string name) => $"The tool {Quoted.Of(name)}";

    private static string NameOf(HttpContext context) => (string)context.Request.RouteValues["name"]!;
}
