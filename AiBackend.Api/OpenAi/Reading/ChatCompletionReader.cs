using System.Text.Json;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.OpenAi.Reading;

/// <summary>Translates the body of a chat completion. Knows nothing of HTTP: a line of a batch is translated by it too.</summary>
/// <remarks>Every parameter that OpenAI has is in the table: supported, or refused with what to do without it.</remarks>
internal sealed class ChatCompletionReader
{
    private const string OnlyText = "Only text is written: leave it out.";

    private static readonly MemberTable<ChatCompletionReader> Body = new()
    {
        ["model"] = (call, value, path) => call._job = call._job with { Model = call._values.Text(value, path) },
        ["messages"] = (call, value, path) =>
            call._chat = call._chat with { Messages = ChatMessages.Read(call._values, call._files, value, path) },
        ["max_completion_tokens"] = (call, value, path) => call.TakeMaxTokens(value, path),
        ["max_tokens"] = (call, value, path) => call.TakeMaxTokens(value, path),
        ["temperature"] = (call, value, path) => call._chat = call._chat with { Temperature = call._values.Number(value, path) },
        ["top_p"] = (call, value, path) => call._chat = call._chat with { TopP = call._values.Number(value, path) },
        ["presence_penalty"] = (call, value, path) => call._chat = call._chat with { PresencePenalty = call._values.Number(value, path) },
        ["frequency_penalty"] = (call, value, path) => call._chat = call._chat with { FrequencyPenalty = call._values.Number(value, path) },
        ["seed"] = (call, value, path) =>
            call._chat = call._chat with { Seed = call._values.Whole(value, path, long.MinValue, long.MaxValue) },
        ["stop"] = (call, value, path) => call._chat = call._chat with { Stop = call.ReadStop(value, path) },
        ["reasoning_effort"] = (call, value, path) => call._chat = call._chat with { ReasoningEffort = call._values.Text(value, path) },
        ["stream"] = (call, value, path) => call._stream = call._values.Flag(value, path) ?? false,
        ["stream_options"] = (call, value, path) => StreamOptions!.Read(call, call._values, value, path),
        ["user"] = (call, value, path) => call._job = call._user.Take(call._values, value, path, call._job),
        ["safety_identifier"] = (call, value, path) => call._job = call._user.Take(call._values, value, path, call._job),
        ["metadata"] = (call, value, path) => call._job = CallMetadata.Read(call._values, value, path, call._job, ref call._detach),
        ["service_tier"] = (call, value, path) => call._job = ServiceTier.Take(call._values, value, path, call._job),
        ["response_format"] = (call, value, path) =>
            call._chat = call._chat with { ResponseFormat = call._values.As(value, path, WireJson.Default.ChatAnswerFormat) },
        ["n"] = (call, value, path) =>
            call.Only(
                value,
                path,
                value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var n) && n == 1,
                "One answer is written for each request; send several requests."
            ),
        ["logprobs"] = (call, value, path) =>
            call.Only(value, path, value.ValueKind == JsonValueKind.False, "No log probabilities are kept."),
        ["store"] = (call, value, path) =>
            call.Only(
                value,
                path,
                value.ValueKind == JsonValueKind.False,
                "Stored completions cannot be read back under /v1; the job in x-aibackend-job-id can, under /api/v1/jobs."
            ),
        ["modalities"] = (call, value, path) =>
            call.Only(
                value,
                path,
                value.ValueKind == JsonValueKind.Array
                    && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String && item.ValueEquals("text")),
                OnlyText
            ),
        ["top_logprobs"] = Refuse("No log probabilities are kept."),
        ["logit_bias"] = Refuse("Providers count tokens differently; leave it out."),
        ["audio"] = Refuse(OnlyText),
        ["prediction"] = Refuse("Leave it out."),
        ["web_search_options"] = Refuse("Nothing is searched; hand over what the model should know."),
        ["functions"] = Refuse("It is long replaced by tools."),
        ["function_call"] = Refuse("It is long replaced by tool_choice."),
        ["tools"] = (call, value, path) =>
            call._chat = call._chat with { Tools = OfferedTool.AllOf(ChatToolsReader.Tools(call._values, value, path)) },
        ["tool_choice"] = (call, value, path) =>
            call._chat = call._chat with { ToolChoice = ChatToolsReader.Choice(call._values, value, path) },
        ["parallel_tool_calls"] = (call, value, path) =>
            call._chat = call._chat with { ParallelToolCalls = call._values.Flag(value, path) },
        ["verbosity"] = Refuse("Say in a message how long the answer should be."),
        ["prompt_cache_key"] = Refuse("Providers cache by themselves; metadata.aibackend_cache shares whole answers."),
        ["prompt_cache_retention"] = Refuse("Providers cache by themselves; metadata.aibackend_cache shares whole answers."),
    };

    private static readonly MemberTable<ChatCompletionReader> StreamOptions = new()
    {
        ["include_usage"] = (call, value, path) => call._includeUsage = call._values.Flag(value, path) ?? false,
        ["include_obfuscation"] = (call, value, path) =>
            call.Only(value, path, value.ValueKind == JsonValueKind.False, "Nothing is padded."),
    };

    private readonly BodyMembers _values = new();
    private readonly SentFiles _files;
    private SubmitJobRequest _job = new() { Type = "chat" };
    private ChatInput _chat = new();
    private string? _maxTokensFrom;
    private readonly EndUser _user = new();
    private bool _stream;
    private bool _includeUsage;
    private bool _detach;

    private ChatCompletionReader(SentFiles files) => _files = files;

    /// <param name="body">The body.</param>
    /// <param name="files">Takes the files that it brings along.</param>
    /// <param name="call">What it says.</param>
    /// <returns>Why the body is refused, or null; then <paramref name="call"/> is set.</returns>
    public static Refusal? TryRead(ReadOnlyMemory<byte> body, SentFiles files, out TranslatedCall call)
    {
        call = null!;
        if (StrictJson.TryParse(body, out var document) is { } unreadable)
        {
            return unreadable;
        }

        using (document)
        {
            var reader = new ChatCompletionReader(files);
            Body.Read(reader, reader._values, document.RootElement, "");
            return reader.Finish(out call) ?? FileBodies.RefuseText(body.Length - files.EncodedBytes);
        }
    }

    private Refusal? Finish(out TranslatedCall call)
    {
        if (_job.Model is null)
        {
            _values.Invalid("model", "is missing; send the name of a route or model, see GET /v1/models");
        }

        if (_includeUsage && !_stream)
        {
            _values.Invalid("stream_options", "is only for streams; send \"stream\": true with it");
        }

        call = new TranslatedCall(_job, _chat)
        {
            Stream = _stream,
            IncludeUsage = _includeUsage,
            Detach = _detach,
        };
        return _values.Fault;
    }

    private static Action<ChatCompletionReader, JsonElement, string> Refuse(string remedy) =>
        (call, _, path) => call._values.Unsupported(path, remedy);

    /// <summary>A parameter whose usual value alone is supported.</summary>
    private void Only(JsonElement value, string path, bool isUsual, string remedy)
    {
        if (!isUsual)
        {
            var text = value.GetRawText();
            _values.Unsupported($"{path}", $"It was {Quoted.Of(text)}. {remedy}");
        }
    }

    private void TakeMaxTokens(JsonElement value, string path)
    {
        var most = _values.Whole(value, path);
        if (_maxTokensFrom is not null && most != _chat.MaxOutputTokens)
        {
            _values.Invalid(path, $"differs from {_maxTokensFrom}; send one of them");
        }

        // Here, so that its fault is told in the caller's own words.
        if (most is < 1 or > 1_000_000)
        {
            _values.Invalid(path, FormattableString.Invariant($"is {most}; it must be from 1 to 1000000"));
        }

        (_maxTokensFrom, _chat) = (path, _chat with { MaxOutputTokens = most });
    }

    private IReadOnlyList<string> ReadStop(JsonElement value, string path) =>
        value.ValueKind == JsonValueKind.String
            ? [value.GetString()!]
            : [.. _values.Array(value, path).Select(item => _values.Text(item.Item, item.Path) ?? "")];
}
