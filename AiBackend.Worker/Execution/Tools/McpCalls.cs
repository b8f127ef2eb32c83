using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using AiBackend.Core.Egress;
using AiBackend.Core.Texts;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using Microsoft.Extensions.Options;
using ModelContextProtocol;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;

namespace AiBackend.Worker.Execution.Tools;

/// <summary>Calls tools of servers that speak the Model Context Protocol: on the internet, or as programs that the operator has set.</summary>
/// <remarks>Each call has a session, and each program a process, of its own: nothing that one tenant's call leaves is there for the next.</remarks>
internal sealed class McpCalls(EgressClient egress, IOptions<ToolsOptions> options, TimeProvider clock)
{
    /// <summary>
    /// Where a server finds the effect id. Not the header <c>Idempotency-Key</c>: the requests that begin a session are posted to the same address,
    /// and whoever keeps answers by that header would take them for the call.
    /// </summary>
    private const string EffectMember = "idempotency_key";

    // What the answers of one session may take: results in JSON, and what is said besides them.
    private const int MostBytes = 1024 * 1024;
    private const int MostReason = 1024;

    // The server says how long it takes to end a session, and the result waits for it.
    private static readonly TimeSpan LongestClose = TimeSpan.FromSeconds(3);

    private static readonly Implementation Self = new() { Name = "AiBackend", Version = "1" };

    /// <param name="tenantId">Whose job it is.</param>
    /// <param name="tool">The tool.</param>
    /// <param name="call">The call.</param>
    /// <param name="headers">What goes with each request to an address.</param>
    /// <param name="stop">Ends it.</param>
    public async Task<ToolEnd> RunAsync(
        Guid tenantId,
        ToolDefinition tool,
        ToolCall call,
        Dictionary<string, string> headers,
        CancellationToken stop
    )
    {
        var timeout = TimeSpan.FromSeconds(tool.TimeoutSeconds);
        using var timeUp = new CancellationTokenSource(timeout, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timeUp.Token, stop);
        using var http = egress.CreateClient(MostBytes, timeout);
        var isSent = false;
        McpClient? client = null;
        try
        {
            if (TransportTo(tenantId, tool, headers, http) is not { } transport)
            {
                return ToolEnd.Failed("The tool's server is not there any more. Its owner has to name another one.");
            }

            await using var _ = transport as IAsyncDisposable;
            client = await McpClient
                .CreateAsync(transport, new McpClientOptions { ClientInfo = Self, InitializationTimeout = timeout }, null, both.Token)
                .WaitAsync(both.Token);
            var arguments = ArgumentsOf(call);
            isSent = true;
            var result = await client
                .CallToolAsync(
                    tool.RemoteName ?? tool.Name,
                    arguments,
                    progress: null,
                    new RequestOptions { Meta = new JsonObject { [EffectMember] = call.EffectId } },
                    both.Token
                )
                .AsTask()
                .WaitAsync(both.Token);
            return EndOf(result, tool.MaxResultBytes);
        }
        // Whatever a stranger's server says becomes an end of its call, and not of the attempt.
        catch (Exception failure) when (!stop.IsCancellationRequested)
        {
            return AfterFailure(failure, tool, isSent);
        }
        finally
        {
            await CloseAsync(client);
        }
    }

    private static Dictionary<string, object?> ArgumentsOf(ToolCall call)
    {
        using var document = JsonDocument.Parse(call.Arguments);
        var arguments = new Dictionary<string, object?>(StringComparer.Ordinal);
        foreach (var member in document.RootElement.EnumerateObject())
        {
            // Of members with one name the last one counts, as for whoever reads what is posted.
            arguments[member.Name] = member.Value.Clone();
        }

        return arguments;
    }

    /// <returns>Null when the operator has taken the server away, or its use.</returns>
    private IClientTransport? TransportTo(Guid tenantId, ToolDefinition tool, Dictionary<string, string> headers, HttpClient http)
    {
        if (tool.Server is not { } name)
        {
            return new HttpClientTransport(
                new()
                {
                    Endpoint = new Uri(tool.Url!),
                    TransportMode = HttpTransportMode.StreamableHttp,
                    EnableStandaloneGetStream = false,
                    AdditionalHeaders = headers,
                },
                http
            );
        }

        return options.Value.McpServers.TryGetValue(name, out var server) && server.IsFor(tenantId)
            ? new StdioClientTransport(
                new()
                {
                    Name = name,
                    Command = server.Command!,
                    Arguments = [.. server.Arguments],
                    InheritEnvironmentVariables = false,
                    EnvironmentVariables = EnvironmentOf(server),
                    ShutdownTimeout = TimeSpan.FromSeconds(2),
                }
            )
            : null;
    }

    private static Dictionary<string, string?> EnvironmentOf(McpServerOptions server)
    {
        var environment = StdioClientTransportOptions.GetDefaultEnvironmentVariables();
        foreach (var (name, value) in server.Environment)
        {
            environment[name] = value;
        }

        return environment;
    }

    private static ToolEnd EndOf(CallToolResult result, int most)
    {
        var text = new StringBuilder();
        foreach (var block in (result.Content ?? []).TakeWhile(_ => text.Length < most))
        {
            text.Append(text.Length == 0 ? "" : "\n").Append(TextOf(block));
        }

        if (text.Length == 0 && result.StructuredContent is { } json)
        {
            text.Append(json.GetRawText());
        }

        return new(result.IsError == true ? ToolCallState.Failed : ToolCallState.Done, text.ToString());
    }

    private static string TextOf(ContentBlock block) =>
        block switch
        {
            TextContentBlock text => text.Text,
            EmbeddedResourceBlock { Resource: TextResourceContents resource } => resource.Text,
            ResourceLinkBlock link => link.Uri,
            ImageContentBlock image => $"[{image.MimeType}, not passed on]",
            AudioContentBlock audio => $"[{audio.MimeType}, not passed on]",
            _ => $"[{block.Type}, not passed on]",
        };

    private static ToolEnd AfterFailure(Exception failure, ToolDefinition tool, bool isSent) =>
        failure switch
        {
            // The protocol's own words for a request that did not begin. What others mean is known to nobody.
            McpProtocolException
            {
                ErrorCode: McpErrorCode.ParseError
                    or McpErrorCode.InvalidRequest
                    or McpErrorCode.MethodNotFound
                    or McpErrorCode.InvalidParams
                    or McpErrorCode.HeaderMismatch
                    or McpErrorCode.MissingRequiredClientCapability
                    or McpErrorCode.UnsupportedProtocolVersion
            } refused => ToolEnd.Failed($"The tool's server refused the call: {StorableText.Of(refused.Message, MostReason)}"),
            HttpRequestException { StatusCode: { } status } when ToolRunner.IsRefusal(status) => ToolEnd.Failed(
                string.Create(System.Globalization.CultureInfo.InvariantCulture, $"The tool's server answered with status {(int)status}.")
            ),
            _ when isSent && tool.Effect != ToolEffect.Read => ToolEnd.Unknown,
            OperationCanceledException => ToolEnd.Failed("The tool took too long."),
            McpProtocolException broken => ToolEnd.Failed($"The tool's server failed: {StorableText.Of(broken.Message, MostReason)}"),
            _ => ToolEnd.Failed("The tool's server could not be called."),
        };

    /// <summary>A session that does not end well, or in time, has ended, too: the result counts.</summary>
    private static async Task CloseAsync(McpClient? client)
    {
        if (client is not null)
        {
            var closing = Task.Run(async () => await client.DisposeAsync());
            await closing.WaitAsync(LongestClose).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
