using System.Text.Json;
using AiBackend.Api.OpenAi.Responses;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Conversations;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.OpenAi.Reading;

/// <summary>A request for a response, in our terms.</summary>
/// <param name="Call">The call; its messages are those of this request alone, without instructions.</param>
/// <param name="Details">What a response says again.</param>
/// <param name="Places">For each message the indexes of the input items that it was made of; none when the input was a text.</param>
internal sealed record TranslatedResponse(TranslatedCall Call, ResponseDetails Details, IReadOnlyList<IReadOnlyList<int>> Places);

/// <summary>Translates the body of a response. Like <see cref="ChatCompletionReader"/> it knows nothing of HTTP.</summary>
internal sealed class ResponseReader
{
    private static readonly MemberTable<ResponseReader> Body = new()
    {
        ["model"] = (call, value, path) => call._job = call._job with { Model = call._values.Text(value, path) },
        ["input"] = (call, value, path) =>
            (call._items, call._messages, call._places) = ResponseItems.Read(call._values, call._files, value, path),
        ["instructions"] = (call, value, path) => call._details = call._details with { Instructions = call._values.Text(value, path) },
        ["background"] = (call, value, path) => call._details = call._details with { Background = call._values.Flag(value, path) ?? false },
        ["stream"] = (call, value, path) => call._stream = call._values.Flag(value, path) ?? false,
        ["store"] = (call, value, path) => call._details = call._details with { Store = call._values.Flag(value, path) ?? true },
        ["previous_response_id"] = (call, value, path) => call.TakePrevious(value, path),
        ["conversation"] = (call, value, path) => call.TakeConversation(value, path),
        ["metadata"] = (call, value, path) => call._job = CallMetadata.Read(call._values, value, path, call._job, ref call._detach),
        ["max_output_tokens"] = (call, value, path) => call.TakeMaxTokens(value, path),
        ["temperature"] = (call, value, path) => call._chat = call._chat with { Temperature = call._values.Number(value, path) },
        ["top_p"] = (call, value, path) => call._chat = call._chat with { TopP = call._values.Number(value, path) },
        ["text"] = (call, value, path) => Text!.Read(call.Noting(value), call._values, value, path),
        ["tools"] = (call, value, path) => call.TakeTools(value, path),
        ["tool_choice"] = (call, value, path) => call.TakeChoice(value, path),
        ["parallel_tool_calls"] = (call, value, path) => call._parallel = call._values.Flag(value, path),
        ["reasoning"] = (call, value, path) => Reasoning!.Read(call, call._values, value, path),
        ["service_tier"] = (call, value, path) => call._job = ServiceTier.Take(call._values, value, path, call._job),
        ["user"] = (call, value, path) => call._job = call._user.Take(call._values, value, path, call._job),
        ["safety_identifier"] = (call, value, path) => call._job = call._user.Take(call._values, value, path, call._job),
        ["truncation"] = (call, value, path) => call.Only(path, value, Is(value, "disabled"), "Nothing is left out of the input."),
        ["stream_options"] = (call, value, path) => StreamOptions!.Read(call, call._values, value, path),
        ["include"] = (call, value, path) => call.Only(path, value, IsEmpty(value), "Nothing else is kept."),
        ["top_logprobs"] = (call, value, path) =>
            call.Only(
                path,
                value,
                value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var n) && n == 0,
                "No log probabilities are kept."
            ),
        ["prompt"] = Refuse("Send the whole input."),
        ["max_tool_calls"] = Refuse("Tools are run by the caller, who can stop."),
        ["prompt_cache_key"] = Refuse("Providers cache by themselves; metadata.aibackend_cache shares whole answers."),
        ["prompt_cache_retention"] = Refuse("Providers cache by themselves; metadata.aibackend_cache shares whole answers."),
        ["context_management"] = Refuse("Nothing is left out of the input."),
    };

    private static readonly MemberTable<ResponseReader> Text = new()
    {
        ["format"] = (call, value, path) =>
            call._chat = call._chat with { ResponseFormat = ResponseTools.Format(call._values, value, path) },
        ["verbosity"] = (call, value, path) =>
            call.Only(path, value, Is(value, "medium"), "Say in a message how long the answer should be."),
    };

    private static readonly MemberTable<ResponseReader> Reasoning = new()
    {
        ["effort"] = (call, value, path) => call._chat = call._chat with { ReasoningEffort = call._values.Text(value, path) },
        ["summary"] = Refuse("Thoughts are not kept."),
        ["generate_summary"] = Refuse("Thoughts are not kept."),
    };

    private static readonly MemberTable<ResponseReader> Conversation = new()
    {
        ["id"] = (call, value, path) => call.TakeConversationId(value, path),
    };

    private static readonly MemberTable<ResponseReader> StreamOptions = new()
    {
        ["include_obfuscation"] = (call, value, path) =>
            call.Only(path, value, value.ValueKind == JsonValueKind.False, "Nothing is padded."),
    };

    private readonly BodyMembers _values = new();
    private readonly SentFiles _files;
    private readonly EndUser _user = new();
    private SubmitJobRequest _job = new() { Type = "chat" };
    private ChatInput _chat = new();
    private ResponseDetails _details = new();
    private IReadOnlyList<JsonElement> _items = [];
    private IReadOnlyList<ChatMessageInput> _messages = [];
    private IReadOnlyList<IReadOnlyList<int>> _places = [];
    private bool? _parallel;
    private bool _stream;
    private bool _detach;

    private ResponseReader(SentFiles files) => _files = files;

    /// <param name="body">The body.</param>
    /// <param name="files">Takes the files that it brings along.</param>
    /// <param name="response">What it says.</param>
    /// <returns>Why the body is refused, or null; then <paramref name="response"/> is set.</returns>
    public static Refusal? TryRead(ReadOnlyMemory<byte> body, SentFiles files, out TranslatedResponse response)
    {
        response = null!;
        if (StrictJson.TryParse(body, out var document) is { } unreadable)
        {
            return unreadable;
        }

        using (document)
        {
            var reader = new ResponseReader(files);
            Body.Read(reader, reader._values, document.RootElement, "");
            return reader.Finish(out response) ?? FileBodies.RefuseText(body.Length - files.EncodedBytes);
        }
    }

    private Refusal? Finish(out TranslatedResponse response)
    {
        if (_job.Model is null)
        {
            _values.Invalid("model", "is missing; send the name of a route or model, see GET /v1/models");
        }

        if (_messages.Count == 0)
        {
            _values.Invalid("input", "is missing or empty; send a text or items");
        }

        if (_details is { PreviousResponseId: not null, ConversationId: not null })
        {
            _values.Invalid("previous_response_id", "is given with conversation, which has all that was said; send one of them");
        }

        if (_details is { Background: true, Store: false })
        {
            _values.Invalid("store", "is false; a response in the background can only be read when it is stored");
        }

        var details = _details with
        {
            Items = _items,
            ParallelToolCalls = _parallel,
            MaxOutputTokens = _chat.MaxOutputTokens,
            Temperature = _chat.Temperature,
            TopP = _chat.TopP,
            ReasoningEffort = _chat.ReasoningEffort,
            User = _job.User,
        };
        // What is said of tools that are not there means nothing, and some clients always say it.
        var chat = _chat with
        {
            Messages = _messages,
            ParallelToolCalls = _chat.Tools is null ? null : _parallel,
        };
        response = new TranslatedResponse(
            new TranslatedCall(_job, chat) { Stream = _stream, Detach = _detach || _details.Background },
            details,
            _places
        );
        return _values.Fault;
    }

    private static bool Is(JsonElement value, string word) => value.ValueKind == JsonValueKind.String && value.ValueEquals(word);

    private static bool IsEmpty(JsonElement value) => value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 0;

    private static Action<ResponseReader, JsonElement, string> Refuse(string remedy) =>
        (call, _, path) => call._values.Unsupported(path, remedy);

    /// <summary>A parameter whose usual value alone is supported.</summary>
    private void Only(string path, JsonElement value, bool isUsual, string remedy)
    {
        if (!isUsual)
        {
            _values.Unsupported(path, $"It was {Quoted.Of(value.GetRawText())}. {remedy}");
        }
    }

    private ResponseReader Noting(JsonElement text)
    {
        _details = _details with { Text = text.Clone() };
        return this;
    }

    private void TakePrevious(JsonElement value, string path)
    {
        var id = _values.Text(value, path);
        if (id is not null && ResponseIds.JobOf(id) is null)
        {
            _values.Invalid(path, $"is {Quoted.Of(id)}; it must be the id of a response");
        }

        _details = _details with { PreviousResponseId = id };
    }

    /// <summary>The id of a conversation, or an object that has it.</summary>
    private void TakeConversation(JsonElement value, string path)
    {
        if (value.ValueKind == JsonValueKind.String)
        {
            TakeConversationId(value, path);
            return;
        }

        Conversation.Read(this, _values, value, path);
        if (_details.ConversationId is null)
        {
            _values.Invalid(path, "must be the id of a conversation, or an object with its id");
        }
    }

    private void TakeConversationId(JsonElement value, string path)
    {
        if (value.ValueKind != JsonValueKind.String || !Guid.TryParseExact(value.GetString(), "D", out var id))
        {
            _values.Invalid(
                path,
                $"is {Quoted.Of(value.GetRawText())}; it must be the id of a conversation, see POST /api/v1/conversations"
            );
            return;
        }

        _details = _details with { ConversationId = id };
        _job = _job with { Conversation = new JobConversation { Id = id } };
    }

    private void TakeMaxTokens(JsonElement value, string path)
    {
        var most = _values.Whole(value, path, 1, 1_000_000);
        _chat = _chat with { MaxOutputTokens = (int?)most };
    }

    private void TakeTools(JsonElement value, string path)
    {
        _chat = _chat with { Tools = OfferedTool.AllOf(ResponseTools.Tools(_values, value, path)) };
        _details = _details with { Tools = value.Clone() };
    }

    private void TakeChoice(JsonElement value, string path)
    {
        _details = _details with { ToolChoice = value.Clone() };
        // As above.
        _chat =
            Is(value, "auto") || Is(value, "none") && _chat.Tools is null
                ? _chat
                : _chat with
                {
                    ToolChoice = ResponseTools.Choice(_values, value, path),
                };
    }
}
