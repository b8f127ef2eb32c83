using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using AiBackend.Api.Jobs.Streaming;
using AiBackend.Api.OpenAi.Calls;
using AiBackend.Api.OpenAi.Wire;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Api.OpenAi.Chat;

/// <summary>A chat completion as a stream of chunks. Everything but the text is written once per stream.</summary>
internal sealed class ChatCompletionView : AnswerView
{
    private readonly bool _includeUsage;
    private readonly byte[] _head;
    private readonly byte[] _tail;
    private bool _hasRole;
    private bool _isContinued;

    public ChatCompletionView(Guid jobId, DateTimeOffset createdAt, string model, bool includeUsage, int knownSeq)
        : base(knownSeq)
    {
        _includeUsage = includeUsage;
        _head = Encoding.UTF8.GetBytes(
            FormattableString.Invariant(
                $"data: {{\"id\":\"{ChatCompletionObject.IdOf(jobId)}\",\"object\":\"chat.completion.chunk\",\"created\":{createdAt.ToUnixTimeSeconds()},"
            ) + $"\"model\":\"{Escape(model)}\","
        );
        _tail = Encoding.UTF8.GetBytes(includeUsage ? ",\"usage\":null}\n\n" : "}\n\n");
    }

    /// <summary>A connection that ends without a word would look like an answer that has ended.</summary>
    public override void Interrupt(PipeWriter output, StreamEnd why) =>
        Fail(
            output,
            why == StreamEnd.KeyRevoked
                ? OpenAiErrors.Server("invalid_api_key", "The API key was revoked or has expired while the answer was streamed.")
                : OpenAiErrors.Stopping
        );

    protected override void TellContinued(PipeWriter output) => _isContinued = true;

    protected override void Tell(PipeWriter output, string text)
    {
        BeginAnswer(output);
        Chunk(output, $"\"delta\":{{\"content\":\"{Escape(text)}\"}},\"logprobs\":null,\"finish_reason\":null");
    }

    protected override void TellToolCall(PipeWriter output, int index, ChatToolCall call)
    {
        BeginAnswer(output);
        var function = call.Function!;
        var said = FormattableString.Invariant(
            $"\"delta\":{{\"tool_calls\":[{{\"index\":{index},\"id\":\"{Escape(call.Id!)}\",\"type\":\"function\",\"function\":{{\"name\":\"{Escape(function.Name!)}\",\"arguments\":\"{Escape(function.Arguments!)}\"}}}}]}}"
        );
        Chunk(output, said + ",\"logprobs\":null,\"finish_reason\":null");
    }

    protected override void TellReset(PipeWriter output) =>
        Fail(
            output,
            OpenAiErrors.Server(
                "answer_restarted",
                "The answer broke off and is written anew, so what was sent of it no longer counts. Send the request again; with its Idempotency-Key, if it had one, it finds the new answer."
            )
        );

    protected override void TellEnd(PipeWriter output, Job job)
    {
        if (job.Status is not (JobStatuses.Completed or JobStatuses.PartiallyCompleted))
        {
            Fail(output, OpenAiErrors.Of(job).Error);
            return;
        }

        BeginAnswer(output);
        var fingerprint = ChatCompletionObject.FingerprintOf(job) is { } said ? $",\"system_fingerprint\":\"{said}\"" : "";
        Chunk(
            output,
            $"\"delta\":{{}},\"logprobs\":null,\"finish_reason\":\"{ChatCompletionObject.FinishReasonOf(job)}\"",
            $",\"service_tier\":\"{ChatCompletionObject.TierOf(job)}\"{fingerprint}"
        );
        if (_includeUsage)
        {
            output.Write(_head);
            var usage = job.Usage is { } used ? ChatUsageObject.Of(used) : null;
            Write(output, "\"choices\":[],\"usage\":");
            Write(output, usage is null ? "null" : JsonSerializer.Serialize(usage, OpenAiJson.Default.ChatUsageObject));
            Write(output, "}\n\n");
        }

        output.Write("data: [DONE]\n\n"u8);
    }

    private void BeginAnswer(PipeWriter output)
    {
        if (!_hasRole)
        {
            _hasRole = true;
            Chunk(output, "\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":null");
        }
    }

    private void Chunk(PipeWriter output, string choice, string more = "")
    {
        output.Write(_head);
        Write(output, $"\"choices\":[{{\"index\":0,{choice}}}]{more}");
        if (_isContinued)
        {
            // Whoever knows the member learns that another call wrote what follows.
            Write(output, ",\"aibackend_continued\":true");
            _isContinued = false;
        }

        output.Write(_tail);
    }

    private static void Fail(PipeWriter output, OpenAiError error)
    {
        output.Write("data: "u8);
        output.Write(JsonSerializer.SerializeToUtf8Bytes(new OpenAiErrorBody(error), OpenAiJson.Default.OpenAiErrorBody));
        output.Write("\n\n"u8);
    }

    private static void Write(PipeWriter output, string text) => Encoding.UTF8.GetBytes(text, output);

    private static JsonEncodedText Escape(string text) => JsonEncodedText.Encode(text, JavaScriptEncoder.UnsafeRelaxedJsonEscaping);
}
