using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts.Tools;
using AiBackend.Core.Database;
using AiBackend.Core.Egress;
using AiBackend.Core.Jobs;
using AiBackend.Core.Texts;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using AiBackend.Core.Tools.Code;
using Npgsql;

namespace AiBackend.Worker.Execution.Tools;

/// <summary>What came of one call.</summary>
/// <param name="State">Done, failed, or unknown.</param>
/// <param name="Text">What the model is given; null when it is unknown.</param>
internal readonly record struct ToolEnd(ToolCallState State, string? Text)
{
    public static readonly ToolEnd Unknown = new(ToolCallState.OutcomeUnknown, null);

    public static ToolEnd Failed(string text) => new(ToolCallState.Failed, text);
}

/// <summary>Makes one call, with the rights of the job's tenant and nothing else. Asks nobody whether it may: who calls it has written the call down.</summary>
internal sealed class ToolRunner(
    EgressClient egress,
    ToolSeal seal,
    CodeTools code,
    McpCalls mcp,
    ILogger<ToolRunner> logger,
    TimeProvider clock
)
{
    private static readonly UTF8Encoding Utf8 = new(false);

    private static readonly ToolEnd NoSecret = ToolEnd.Failed(
        "The tool's secret cannot be read here, so it was not called. Its owner has to set it again."
    );

    // A receiver that has just failed, or was slow, may be well again; one that stays away is for the verify hook, or a person.
    private static readonly TimeSpan[] Pauses = [TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(3)];

    /// <remarks>
    /// Where nobody knows what came of it and the receiver tells repeats by the effect's id, it is sent again under the same one. What a repeat meets, a
    /// refusal or a receiver that is gone, says nothing of the first: it is known when it is known to be done.
    /// </remarks>
    /// <param name="job">The job.</param>
    /// <param name="tool">The tool.</param>
    /// <param name="call">The call.</param>
    /// <param name="wasSent">By an attempt before, which did not live to hear what came of it.</param>
    /// <param name="stop">Ends it.</param>
    public async Task<ToolEnd> RunAsync(ClaimedJob job, ToolDefinition tool, ToolCall call, bool wasSent, CancellationToken stop)
    {
        var end = await SendAsync(job, tool, call, stop);
        if (tool.Effect != ToolEffect.WriteIdempotent || (end.State != ToolCallState.OutcomeUnknown && !wasSent))
        {
            return end;
        }

        foreach (var pause in Pauses.TakeWhile(_ => end.State != ToolCallState.Done))
        {
            await Task.Delay(pause, clock, stop);
            end = await SendAsync(job, tool, call, stop);
        }

        return end.State == ToolCallState.Done ? end : ToolEnd.Unknown;
    }

    private Task<ToolEnd> SendAsync(ClaimedJob job, ToolDefinition tool, ToolCall call, CancellationToken stop) =>
        tool.Kind switch
        {
            ToolKinds.Code => RunCodeAsync(job, tool, call, stop),
            ToolKinds.Mcp => RunMcpAsync(job, tool, call, stop),
            _ => PostAsync(job, tool, call, stop),
        };

    /// <summary>Asks the tool what became of a call that was sent, and whose answer was lost.</summary>
    public async Task<ToolEnd> VerifyAsync(ClaimedJob job, ToolDefinition tool, ToolCall call, CancellationToken stop)
    {
        if (tool.Kind == ToolKinds.Code)
        {
            return await VerifyCodeAsync(job, tool, call, stop);
        }

        if (tool.VerifyUrl is not { } url)
        {
            return ToolEnd.Unknown;
        }

        var address = new UriBuilder(url);
        address.Query = $"{address.Query.TrimStart('?')}{(address.Query.Length > 1 ? "&" : "")}effect_id={call.EffectId}";
        using var request = new HttpRequestMessage(HttpMethod.Get, address.Uri);
        return AddHeaders(request, job, tool, call)
            ? await SendAsync(request, tool, stop) switch
            {
                EgressAnswer.Answered(>= HttpStatusCode.OK and < HttpStatusCode.MultipleChoices, _, var body) => Done(body, tool),
                EgressAnswer.Answered(HttpStatusCode.NotFound, _, _) => ToolEnd.Failed(
                    "The connection broke off, and the tool says that the call did not take effect."
                ),
                _ => ToolEnd.Unknown,
            }
            : ToolEnd.Unknown;
    }

    private async Task<ToolEnd> RunCodeAsync(ClaimedJob job, ToolDefinition tool, ToolCall call, CancellationToken stop)
    {
        // Not of a pool: one that goes on after its time reads on in them.
        var arguments = JsonElement.Parse(call.Arguments);
        return await InTimeAsync(
            job,
            tool,
            async token => EndOf(await code.Find(tool.Name)!.RunAsync(CallerOf(job, tool, call), arguments, token), tool),
            stop
        );
    }

    private Task<ToolEnd> VerifyCodeAsync(ClaimedJob job, ToolDefinition tool, ToolCall call, CancellationToken stop) =>
        InTimeAsync(
            job,
            tool,
            async token =>
                await code.Find(tool.Name)!.VerifyAsync(CallerOf(job, tool, call), token) is { } result
                    ? EndOf(result, tool)
                    : ToolEnd.Unknown,
            stop
        );

    private static ToolEnd EndOf(CodeResult result, ToolDefinition tool) =>
        new(result.IsError ? ToolCallState.Failed : ToolCallState.Done, Cut(StorableText.Of(result.Text), tool.MaxResultBytes));

    private async Task<ToolEnd> InTimeAsync(
        ClaimedJob job,
        ToolDefinition tool,
        Func<CancellationToken, Task<ToolEnd>> work,
        CancellationToken stop
    )
    {
        using var timeUp = new CancellationTokenSource(TimeSpan.FromSeconds(tool.TimeoutSeconds), clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timeUp.Token, stop);
        try
        {
            return await WithinAsync(work, both.Token);
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            return tool.Effect == ToolEffect.Read ? ToolEnd.Failed("The tool took too long.") : ToolEnd.Unknown;
        }
        // Trouble of Postgres is the attempt's to wait out. All else is the tool's own, told to nobody: it was not written for them.
        catch (Exception failure) when (!stop.IsCancellationRequested && !IsOutage(failure))
        {
            logger.CodeToolFailed(failure, tool.Name, job.Lease.JobId, job.Attempt);
            return tool.Effect == ToolEffect.Read ? ToolEnd.Failed("The tool failed.") : ToolEnd.Unknown;
        }
    }

    // A file or a server of the tool's own may be missing, too, and a statement of its own wrong: only what Npgsql itself says of Postgres is an outage.
    private static bool IsOutage(Exception failure) => failure is NpgsqlException && StorageFailures.Of(failure) is not null;

    /// <summary>Waits for a tool no longer than it is asked to, also for one that does not look at its token, or never gives its thread back.</summary>
    private static async Task<ToolEnd> WithinAsync(Func<CancellationToken, Task<ToolEnd>> work, CancellationToken stop)
    {
        var running = Task.Run(() => work(stop), CancellationToken.None);
        try
        {
            return await running.WaitAsync(stop);
        }
        finally
        {
            // How a late one ends is nobody's, an exception neither.
            _ = running.ContinueWith(
                late => late.Exception,
                CancellationToken.None,
                TaskContinuationOptions.ExecuteSynchronously,
                TaskScheduler.Default
            );
        }
    }

    /// <summary>With the rights of whoever submitted the job: what a model says names nobody.</summary>
    private static CodeCaller CallerOf(ClaimedJob job, ToolDefinition tool, ToolCall call)
    {
        string[] readers =
        [
            .. job.EndUser is { } user ? [user] : Array.Empty<string>(),
            .. JobTerms.Read(job.Terms).Retrieve?.Readers ?? [],
        ];
        return new(job.TenantId, job.KeyId)
        {
            Readers = readers.Length == 0 ? null : readers,
            Time = TimeSpan.FromSeconds(tool.TimeoutSeconds),
            EffectId = call.EffectId,
        };
    }

    private async Task<ToolEnd> RunMcpAsync(ClaimedJob job, ToolDefinition tool, ToolCall call, CancellationToken stop)
    {
        if (!TryHeaders(job, tool, call, out var headers))
        {
            return NoSecret;
        }

        var end = await mcp.RunAsync(job.TenantId, tool, call, headers, stop);
        return end.Text is { } text ? end with { Text = Cut(StorableText.Of(text), tool.MaxResultBytes) } : end;
    }

    private async Task<ToolEnd> PostAsync(ClaimedJob job, ToolDefinition tool, ToolCall call, CancellationToken stop)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, tool.Url);
        request.Content = new StringContent(call.Arguments, Utf8, new MediaTypeHeaderValue("application/json"));
        request.Headers.Add("Idempotency-Key", call.EffectId);
        if (!AddHeaders(request, job, tool, call))
        {
            return NoSecret;
        }

        var answer = await SendAsync(request, tool, stop);
        return answer switch
        {
            EgressAnswer.Answered(>= HttpStatusCode.OK and < HttpStatusCode.MultipleChoices, _, var body) => Done(body, tool),
            // It may have done something before it failed.
            EgressAnswer.Answered(var status, _, _) when tool.Effect != ToolEffect.Read && !IsRefusal(status) => ToolEnd.Unknown,
            EgressAnswer.Answered(var status, _, var body) => ToolEnd.Failed(
                Cut(
                    string.Create(CultureInfo.InvariantCulture, $"The tool answered with status {(int)status}. {Text(body)}"),
                    tool.MaxResultBytes
                )
            ),
            EgressAnswer.Failed { NeverArrived: false } when tool.Effect != ToolEffect.Read => ToolEnd.Unknown,
            EgressAnswer.Failed(var error) => ToolEnd.Failed($"The tool could not be called: {error}."),
            _ => throw new System.Diagnostics.UnreachableException(),
        };
    }

    /// <summary>Whether who answers so has done nothing: it did not take the request, or sent it elsewhere. All others may have.</summary>
    internal static bool IsRefusal(HttpStatusCode status) =>
        (int)status switch
        {
            // Given up on the way: by the receiver's patience, or by ours.
            408 or 499 => false,
            >= 400 and < 500 => true,
            307 or 308 or 501 or 503 or 505 or 511 => true,
            _ => false,
        };

    private Task<EgressAnswer> SendAsync(HttpRequestMessage request, ToolDefinition tool, CancellationToken stop) =>
        egress.SendAsync(request, tool.MaxResultBytes, TimeSpan.FromSeconds(tool.TimeoutSeconds), cuts: true, stop);

    /// <returns>False when the tool's secret does not open.</returns>
    private bool AddHeaders(HttpRequestMessage request, ClaimedJob job, ToolDefinition tool, ToolCall call) =>
        TryHeaders(job, tool, call, out var headers)
        && headers.All(header => request.Headers.TryAddWithoutValidation(header.Key, header.Value));

    private bool TryHeaders(ClaimedJob job, ToolDefinition tool, ToolCall call, out Dictionary<string, string> headers)
    {
        headers = new(StringComparer.OrdinalIgnoreCase)
        {
            ["User-Agent"] = "AiBackend-Tools/1",
            ["X-AiBackend-Job"] = job.Lease.JobId.ToString(),
            ["X-AiBackend-Tool-Call"] = call.EffectId,
        };
        if (tool.HeaderName is not { } name)
        {
            return true;
        }

        if (tool.Secret is not { } box || seal.Open(job.TenantId, tool.Name, box) is not { } value)
        {
            return false;
        }

        headers[name] = value;
        return true;
    }

    private static ToolEnd Done(ReadOnlyMemory<byte> body, ToolDefinition tool) =>
        new(ToolCallState.Done, Cut(Text(body), tool.MaxResultBytes));

    /// <summary>Data for the model and for Postgres.</summary>
    private static string Text(ReadOnlyMemory<byte> body) => StorableText.Of(Utf8.GetString(body.Span));

    private static string Cut(string text, int most)
    {
        if (Utf8.GetByteCount(text) <= most)
        {
            return text;
        }

        var bytes = Utf8.GetBytes(text).AsSpan(0, most);
        return Utf8.GetString(bytes).TrimEnd('\uFFFD');
    }
}
