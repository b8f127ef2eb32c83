using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Reviews;
using AiBackend.Core.Contracts;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Catalog;
using AiBackend.Core.Texts;
using Microsoft.Extensions.AI;

namespace AiBackend.Worker.Execution.Chat;

/// <summary>One attempt's answer, which has to keep a contract: looks at each turn's, and climbs the ladder.</summary>
internal sealed class ContractedAnswer(
    OutputContract contract,
    ChatTurn asked,
    OutputContracts contracts,
    Judge judge,
    ProviderCatalog catalog,
    ReviewOptions reviews
)
{
    /// <summary>Why a turn follows, for readers of the log.</summary>
    private const string Violation = "contract_violation";

    private const int MostTold = 1500;

    private readonly List<ContractCheck> _checks = [];
    private ChatTurn _first = asked;
    private bool _corrected;
    private bool _fellBack;

    /// <summary>What was found so far, in order.</summary>
    public IReadOnlyList<ContractCheck> Checks => _checks;

    /// <summary>The first turn.</summary>
    public ChatTurn First { get; } = Prepare(asked, contract, catalog);

    /// <summary>Tools have answered: whoever is asked next is told so too, and nothing is called again for it.</summary>
    public void Add(IEnumerable<ChatMessage> said) => _first = _first.After(said);

    /// <summary>Looks at a turn's answer.</summary>
    /// <param name="turn">What was asked.</param>
    /// <param name="answer">What came.</param>
    /// <param name="running">The job.</param>
    /// <param name="calls">Of the attempt; a judge is asked on its account.</param>
    /// <param name="stop">Ends a judge's call.</param>
    public async ValueTask<AfterTurn> AfterAsync(
        ChatTurn turn,
        ChatAnswer answer,
        RunningJob running,
        ChatCalls calls,
        CancellationToken stop
    )
    {
        var found = contracts.Check(contract, answer.Text, answer.FinishReason, CitedSource.Join(_first.Sources));
        if (found.IsValid)
        {
            found = await judge.LookAsync(contract, found, _first.Text, calls, stop);
        }

        var check = found.Check with { Provider = answer.ServedBy?.Provider, Model = answer.ServedBy?.Model };
        _checks.Add(check);
        var stronger = catalog.Definition(_first.Model)?.Stronger;
        switch (ContractLadder.Next(contract.OnViolation, check, _corrected, _fellBack, stronger is not null))
        {
            case LadderStep.Accept:
                return new(Accept(found, answer, running), null);
            case LadderStep.Correct:
                _corrected = true;
                return new(null, Correct(turn, answer, check));
            case LadderStep.Fallback:
                _fellBack = true;
                running.AppendNotice(
                    "contract_fallback",
                    $"The answer still breaks its contract ({check.Verdict}), so {stronger} is asked."
                );
                return new(null, Prepare(_first with { Model = stronger! }, contract, catalog) with { Reason = Violation });
            case LadderStep.Review:
                return new(AttemptEnd.AskedForReview(QuestionOf(check, running.Job.Attempt), found.Text), null);
            default:
                return new(AttemptEnd.FailedForGood(ErrorOf(check)), null);
        }
    }

    private static AttemptEnd Accept(CheckedAnswer found, ChatAnswer answer, RunningJob running)
    {
        if (found.Text != answer.Text)
        {
            running.AppendSnapshot(found.Text);
        }

        return AttemptEnd.Succeeded(found.Text) with
        {
            FinishReason = answer.FinishReason,
        };
    }

    /// <summary>The schema goes along as the provider takes it; where somebody may not take it, in words, too.</summary>
    /// <remarks>Also where JSON of whatever form is asked for: nobody is told the contract by that, and OpenAI refuses it where no message says JSON.</remarks>
    private static ChatTurn Prepare(ChatTurn turn, OutputContract contract, ProviderCatalog catalog)
    {
        var options = turn.Options.Clone();
        var schema = contract.Schema is { ValueKind: JsonValueKind.Object } given ? given : (JsonElement?)null;
        var says = options.ResponseFormat is null && schema is not null;
        options.ResponseFormat ??= schema is { } shape ? ChatResponseFormat.ForJsonSchema(shape, "answer") : ChatResponseFormat.Json;
        if (
            says
            && catalog.Route(turn.Model).All(deployment => deployment.Capabilities.Contains(ModelCapabilities.Json, StringComparer.Ordinal))
        )
        {
            return turn with { Options = options };
        }

        var words =
            "Answer with one JSON value and nothing else."
            + (schema is { } told ? $" It must fit this JSON Schema: {told.GetRawText()}" : "");
        var leading = turn.Messages.TakeWhile(message => message.Role == ChatRole.System).Count();
        return turn with
        {
            Options = options,
            Messages = [.. turn.Messages.Take(leading), new ChatMessage(ChatRole.System, words), .. turn.Messages.Skip(leading)],
        };
    }

    private static ChatTurn Correct(ChatTurn turn, ChatAnswer answer, ContractCheck check) =>
        turn with
        {
            Reason = Violation,
            Messages =
            [
                .. turn.Messages,
                .. answer.HasText ? [new ChatMessage(ChatRole.Assistant, answer.Text)] : Array.Empty<ChatMessage>(),
                new ChatMessage(ChatRole.User, $"Your answer breaks its contract:\n{Told(check)}\nAnswer again, in full, with JSON alone."),
            ],
        };

    private static string Told(ContractCheck check)
    {
        var text = string.Join(
            '\n',
            check.Violations.Select(each => $"- {(each.Path.Length == 0 ? "the answer" : each.Path)} {each.Message}")
        );
        return StorableText.Of(text, MostTold);
    }

    private JobQuestion QuestionOf(ContractCheck check, int attempt) =>
        reviews.Ask(
            JsonSerializer.Serialize(new ReviewQuestion(ReviewReasons.Contract) { Check = check }, WireJson.Default.ReviewQuestion),
            contract.Review,
            attempt
        );

    private static JobError ErrorOf(ContractCheck check) =>
        new(
            "contract_violation",
            "contract_violation",
            $"The answer breaks its contract ({check.Verdict}):\n{Told(check)}\nChange the input or the contract, or allow more steps with on_violation.",
            Retryable: true
        );
}
