using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using AiBackend.Core.Egress;
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
            client = await McpClient.CreateAsync(transport, new McpClientOptions { ClientInfo = Self }, null, both.Token);
            isSent = true;
            return EndOf(await CallAsync(client, tool, call, both.Token));
        }
        catch (Exception failure) when (!stop.IsCancellationRequested && IsExpected(failure))
        {
            return AfterFailure(failure, tool, isSent);
        }
        finally
        {
            await CloseAsync(client);
        }
    }

    private static async ValueTask<CallToolResult> CallAsync(McpClient client, ToolDefinition tool, ToolCall call, CancellationToken stop)
    {
        using var arguments = JsonDocument.Parse(call.Arguments);
        return await client.CallToolAsync(
            tool.RemoteName ?? tool.Name,
            arguments
                .RootElement.EnumerateObject()
                .ToDictionary(each => each.Name, each => (object?)each.Value.Clone(), StringComparer.Ordinal),
            progress: null,
            new RequestOptions { Meta = new JsonObject { [EffectMember] = call.EffectId } },
            stop
        );
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

    private static ToolEnd EndOf(CallToolResult result)
    {
        var text = new StringBuilder();
        foreach (var block in result.Content)
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

    private static bool IsExpected(Exception failure) =>
        failure is OperationCanceledException or McpException or HttpRequestException or IOException or InvalidOperationException;

    private static ToolEnd AfterFailure(Exception failure, ToolDefinition tool, bool isSent) =>
        failure switch
        {
            // The server says that it did not begin.
            McpProtocolException { ErrorCode: not McpErrorCode.InternalError } refused => ToolEnd.Failed(
                $"The tool's server refused the call: {Quoted(refused.Message)}"
            ),
            HttpRequestException { StatusCode: >= HttpStatusCode.BadRequest and < HttpStatusCode.InternalServerError } refused =>
                ToolEnd.Failed(
                    string.Create(
                        System.Globalization.CultureInfo.InvariantCulture,
                        $"The tool's server answered with status {(int)refused.StatusCode}."
                    )
                ),
            _ when isSent && tool.Effect == ToolEffect.Write => ToolEnd.Unknown,
            OperationCanceledException => ToolEnd.Failed("The tool took too long."),
            McpProtocolException broken => ToolEnd.Failed($"The tool's server failed: {Quoted(broken.Message)}"),
            _ => ToolEnd.Failed("The tool's server could not be called."),
        };

    private static string Quoted(string message) => message.Length <= MostReason ? message : message[..MostReason];

    /// <summary>A session that does not end well has ended, too: the result counts.</summary>
    private static async Task CloseAsync(McpClient? client)
    {
        try
        {
            await (client?.DisposeAsync() ?? default);
        }
        catch (Exception failure) when (IsExpected(failure))
        {
            // Nothing follows from it.
        }
    }
}
