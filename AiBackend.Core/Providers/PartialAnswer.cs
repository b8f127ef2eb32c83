using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using AiBackend.Core.Providers.Admission;
using AiBackend.Core.Providers.Catalog;
using AiBackend.Core.Providers.Wire;
using Microsoft.Extensions.AI;

namespace AiBackend.Core.Providers;

/// <summary>What a routed chat has delivered so far, and what the next call has to be asked because of it.</summary>
internal sealed class PartialAnswer(IReadOnlyList<ChatMessage> messages, ChatOptions? options)
{
    private const int CharactersPerToken = 4;

    // Providers count 1 000 to 2 000 tokens for a picture of usual size, however many bytes it has.
    private const int CharactersPerImage = 1500 * CharactersPerToken;

    private readonly StringBuilder _text = new();
    private long _pieces;
    private ProviderCut? _pending;
    private string _unsent = "";

    /// <summary>Of the question alone.</summary>
    public CallSize Size { get; } = new(CharactersOf(messages, options), options?.MaxOutputTokens);

    /// <summary>What the question uses of what not every model can.</summary>
    public IReadOnlyList<string> Uses => ModelCapabilities.Of(messages, options);

    /// <summary>Whether the end of the conversation is a question, after which the beginning of an answer can be put: text alone, no tools.</summary>
    public bool MayContinue =>
        messages.Count > 0 && messages[^1].Role != ChatRole.Assistant && Sent.Length > 0 && options?.Tools is not { Count: > 0 };

    /// <summary>Providers refuse an answer that ends in white space.</summary>
    private string Sent => _text.ToString().TrimEnd();

    /// <summary>What a deployment is asked.</summary>
    /// <param name="deployment">Who.</param>
    /// <param name="cut">Why it is asked, when an answer broke off after text.</param>
    public ChatRequest For(ChatDeployment deployment, ProviderCut? cut)
    {
        _pending = cut;
        var own = options?.Clone() ?? new ChatOptions();
        // Model names belong to one provider.
        own.ModelId = deployment.Model;
        var asked = messages;
        if (cut is { Continues: true })
        {
            var sent = Sent;
            _unsent = _text.ToString(sent.Length, _text.Length - sent.Length);
            asked = [.. messages, new ChatMessage(ChatRole.Assistant, sent)];
            own.MaxOutputTokens = Left(own.MaxOutputTokens);
        }

        return new ChatRequest(asked, own, new CallSize(CharactersOf(asked, own), own.MaxOutputTokens), cut is { Continues: true });
    }

    /// <summary>All that the model reads: schemas and results of tools, too.</summary>
    private static int CharactersOf(IReadOnlyList<ChatMessage> messages, ChatOptions? options) =>
        messages.Sum(message => message.Contents.Sum(LengthOf))
        + (options?.Tools?.OfType<DeclaredTool>().Sum(tool => tool.Name.Length + tool.Description.Length + LengthOf(tool.JsonSchema)) ?? 0)
        + (options?.ResponseFormat is ChatResponseFormatJson { Schema: { } schema } ? LengthOf(schema) : 0);

    private static int LengthOf(AIContent content) =>
        content switch
        {
            TextContent text => text.Text.Length,
            FunctionCallContent call => call.Name.Length + AskedTool.ArgumentsOf(call).Length,
            FunctionResultContent { Result: string result } => result.Length,
            DataContent => CharactersPerImage,
            _ => 0,
        };

    private static int LengthOf(JsonElement schema) => JsonMarshal.GetRawUtf8Value(schema).Length;

    /// <summary>How much may still be written. Nobody has told how many tokens the text has.</summary>
    private int? Left(int? most) => most is { } all ? (int)Math.Max(1, all - Math.Max(_pieces, _text.Length / CharactersPerToken)) : null;

    /// <summary>To be told before the first text, or the end, of an answer that follows one that broke off; null otherwise.</summary>
    public ChatProgress? TakeCut()
    {
        if (_pending is not { } cut)
        {
            return null;
        }

        _pending = null;
        if (cut.Continues)
        {
            return new ChatProgress.Continued(cut.From, cut.To, cut.Failure);
        }

        _text.Clear();
        (_pieces, _unsent) = (0, "");
        return new ChatProgress.Restarted(cut.From, cut.To, cut.Failure);
    }

    /// <summary>Takes a piece of a call's text.</summary>
    /// <param name="piece">As the provider wrote it.</param>
    /// <param name="isContinued">Whether the call goes on where another one broke off.</param>
    /// <returns>The text to deliver. White space that was kept back at the end of what was sent is not said twice.</returns>
    public string Take(string piece, bool isContinued)
    {
        var said = 0;
        while (isContinued && said < piece.Length && said < _unsent.Length && piece[said] == _unsent[said])
        {
            said++;
        }

        _unsent = said == piece.Length ? _unsent[said..] : "";
        return piece[said..];
    }

    /// <summary>Notes delivered text.</summary>
    public void Append(string text)
    {
        _pieces++;
        _text.Append(text);
    }
}

/// <summary>One call's question.</summary>
/// <param name="Messages">The conversation.</param>
/// <param name="Options">For the deployment that is asked.</param>
/// <param name="Size">Of it.</param>
/// <param name="IsContinued">Whether it ends with the beginning of its answer.</param>
internal sealed record ChatRequest(IReadOnlyList<ChatMessage> Messages, ChatOptions Options, CallSize Size, bool IsContinued);
