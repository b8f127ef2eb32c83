using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using AiBackend.Api.Jobs.Streaming;
using AiBackend.Api.OpenAi.Calls;
using AiBackend.Api.OpenAi.Wire;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Api.OpenAi.Responses;

/// <summary>A response as a stream of events that can be resumed at any of their numbers, for as long as the job is kept.</summary>
/// <remarks>
/// The numbers are no counter: they are made of what the log says, so that they are the same in every stream of the job, also after its
/// deltas have become one snapshot. 0, 1 and 2 are its begin. What was written after <c>r</c> resets begins at <c>r · 2^24</c>, and each
/// delta moves on by its characters: so a reader in the middle of a text gets exactly the rest of it. They fit into 32 bits.
/// </remarks>
internal sealed class ResponseView(Job accepted, ResponseDetails details, int knownSeq, int cursor) : AnswerView(knownSeq)
{
    private const int Created = 0;
    private const int Queued = 1;
    private const int InProgress = 2;
    private const int ItemAdded = 3;
    private const int PartAdded = 4;
    private const int Generation = 1 << 24;
    private const int MostGenerations = 127;

    private static readonly JsonSerializerOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly StringBuilder _text = new();
    private readonly List<ChatToolCall> _calls = [];
    private int _sent;
    private bool _isBegun;
    private bool _textEnded;

    /// <param name="job">As it is now.</param>
    /// <param name="details">What is said again.</param>
    /// <param name="knownSeq">Number of its latest event.</param>
    /// <param name="cursor">Number of the last event that the reader has; -1 for none.</param>
    public static ResponseView Of(Job job, ResponseDetails details, int knownSeq, int cursor = -1) =>
        new(
            job with
            {
                Status = JobStatuses.Queued,
                StartedAt = null,
                FinishedAt = null,
                Output = null,
                Error = null,
                Usage = null,
                ServedBy = null,
                Queue = null,
            },
            details,
            knownSeq,
            cursor
        );

    public override bool CanBeResumed => details.Store;

    /// <summary>Number of the last event that the reader has.</summary>
    private int Last => Math.Max(_sent, cursor);

    private int Base => Math.Min(Resets, MostGenerations) * Generation;

    private bool HasText => _text.Length > 0;

    public override void Begin(PipeWriter output)
    {
        Send(output, "response.created", Created, WithResponse(accepted));
        Send(output, "response.queued", Queued, WithResponse(accepted));
    }

    public override void Interrupt(PipeWriter output, StreamEnd why)
    {
        // Whoever resumes goes on from the number it has; only the key is a reason not to come back.
        if (why == StreamEnd.KeyRevoked)
        {
            Fail(output, "invalid_api_key", "The API key was revoked or has expired while the answer was streamed.");
        }
        else
        {
            Fail(
                output,
                OpenAiErrors.Stopping.Code!,
                details.Store
                    ? $"This server stops. Go on with GET {CreateResponse.Address}/{ResponseIds.Of(accepted.Id)}?stream=true&starting_after={Last.ToString(CultureInfo.InvariantCulture)}."
                    : OpenAiErrors.Stopping.Message
            );
        }
    }

    protected override void TellBegin(PipeWriter output)
    {
        if (!_isBegun)
        {
            _isBegun = true;
            Send(output, "response.in_progress", InProgress, WithResponse(accepted with { Status = JobStatuses.Processing }));
        }
    }

    protected override void Tell(PipeWriter output, string text)
    {
        if (IsLost(output))
        {
            return;
        }

        if (!HasText)
        {
            Send(
                output,
                "response.output_item.added",
                Base + ItemAdded,
                Item(0, ResponseObject.MessageOf(accepted.Id, "in_progress", null))
            );
            Send(output, "response.content_part.added", Base + PartAdded, Part(ResponseObject.PartOf("")));
        }

        // Of a delta that the reader has in part it gets the rest.
        var had = Math.Clamp(cursor - (Base + PartAdded + _text.Length), 0, text.Length);
        _text.Append(text);
        var said = Part(null);
        said["delta"] = text[had..];
        said["logprobs"] = new JsonArray();
        Send(output, "response.output_text.delta", Base + PartAdded + _text.Length, said);
    }

    protected override void TellToolCall(PipeWriter output, int index, ChatToolCall call)
    {
        if (IsLost(output))
        {
            return;
        }

        EndText(output, "completed");
        var (number, place) = (AfterText + (4 * index), (HasText ? 1 : 0) + index);
        var arguments = call.Function!.Arguments!;
        _calls.Add(call);
        Send(
            output,
            "response.output_item.added",
            number,
            Item(place, ResponseObject.CallOf(accepted.Id, index, "in_progress", call, null))
        );
        Send(output, "response.function_call_arguments.delta", number + 1, Call("delta"));
        Send(output, "response.function_call_arguments.done", number + 2, Call("arguments"));
        Send(
            output,
            "response.output_item.done",
            number + 3,
            Item(place, ResponseObject.CallOf(accepted.Id, index, "completed", call, arguments))
        );

        JsonObject Call(string member)
        {
            var said = new JsonObject { ["item_id"] = ResponseIds.Call(accepted.Id, index), ["output_index"] = place };
            if (member == "arguments")
            {
                said["name"] = call.Function!.Name;
            }

            said[member] = arguments;
            return said;
        }
    }

    protected override void TellReset(PipeWriter output) =>
        Fail(
            output,
            "answer_restarted",
            "The answer broke off and is written anew, so what was sent of it no longer counts. "
                + (
                    details.Store
                        ? $"Read it from its start: GET {CreateResponse.Address}/{ResponseIds.Of(accepted.Id)}?stream=true."
                        : "Send the request again; with its Idempotency-Key, if it had one, it finds the answer that counts."
                )
        );

    protected override void TellEnd(PipeWriter output, Job job)
    {
        if (IsLost(output))
        {
            return;
        }

        EndText(output, job.Status == JobStatuses.Completed ? "completed" : "incomplete");
        var type = job.Status switch
        {
            JobStatuses.Completed => "response.completed",
            JobStatuses.Failed => "response.failed",
            // OpenAI has no event for a cancelled response; this one carries it, with its status.
            _ => "response.incomplete",
        };
        Send(output, type, AfterText + (4 * _calls.Count), WithResponse(job));
        output.Write("data: [DONE]\n\n"u8);
    }

    private int AfterText => Base + PartAdded + _text.Length + 4;

    private void EndText(PipeWriter output, string status)
    {
        if (!HasText || _textEnded)
        {
            return;
        }

        _textEnded = true;
        var whole = _text.ToString();
        var number = Base + PartAdded + _text.Length;
        var said = Part(null);
        said["text"] = whole;
        said["logprobs"] = new JsonArray();
        Send(output, "response.output_text.done", number + 1, said);
        Send(output, "response.content_part.done", number + 2, Part(ResponseObject.PartOf(whole)));
        Send(output, "response.output_item.done", number + 3, Item(0, ResponseObject.MessageOf(accepted.Id, status, whole)));
    }

    /// <summary>The reader goes on from a text that no longer counts.</summary>
    private bool IsLost(PipeWriter output)
    {
        if (cursor <= InProgress || cursor / Generation == Base / Generation)
        {
            return false;
        }

        if (!IsOver)
        {
            TellReset(output);
            IsOver = true;
        }

        return true;
    }

    private static JsonObject Item(int place, JsonObject item) => new() { ["output_index"] = place, ["item"] = item };

    private JsonObject Part(JsonObject? part)
    {
        var said = new JsonObject
        {
            ["item_id"] = ResponseIds.Message(accepted.Id),
            ["output_index"] = 0,
            ["content_index"] = 0,
        };
        if (part is not null)
        {
            said["part"] = part;
        }

        return said;
    }

    private JsonObject WithResponse(Job job) => new() { ["response"] = ResponseObject.Of(job, details) };

    private void Fail(PipeWriter output, string code, string message) =>
        Write(
            output,
            "error",
            new JsonObject
            {
                ["type"] = "error",
                // The last that was sent: who goes on from it misses nothing and gets nothing twice.
                ["sequence_number"] = Last,
                ["code"] = code,
                ["message"] = message,
                ["param"] = null,
            }
        );

    private void Send(PipeWriter output, string type, int number, JsonObject said)
    {
        if (number <= cursor)
        {
            return;
        }

        _sent = number;
        var whole = new JsonObject { ["type"] = type, ["sequence_number"] = number };
        foreach (var (name, value) in said.ToList())
        {
            said.Remove(name);
            whole[name] = value;
        }

        Write(output, type, whole);
    }

    private static void Write(PipeWriter output, string type, JsonObject said) =>
        Encoding.UTF8.GetBytes($"event: {type}\ndata: {said.ToJsonString(Options)}\n\n", output);
}
