using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Reviews;
using AiBackend.Core.Contracts;
using AiBackend.Core.Jobs.Waits;

namespace AiBackend.Api.Reviews;

/// <summary><c>POST /api/v1/reviews/{id}/approve</c> and <c>/reject</c>: a person decides, once.</summary>
internal sealed class DecideReview(ReviewReads reads, AnswerWait answers, OutputContracts contracts)
{
    private const int MaxComment = 2000;
    private const int MaxText = 1_000_000;

    public async Task ApproveAsync(HttpContext context)
    {
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.ApproveReviewRequest);
        refusal ??= QueryParameters.CheckNames(context.Request) ?? Check(request);
        Review review = null!;
        if (refusal is null)
        {
            (refusal, review) = await context.FindReviewAsync(reads);
        }

        refusal ??=
            ReviewAddress.RefuseDecision(review, context.User.GetCaller().KeyId, request.Version)
            ?? Approve(review, request, out var reply)
            ?? await DecideAsync(context, review, reply);
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
        }
    }

    public async Task RejectAsync(HttpContext context)
    {
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.RejectReviewRequest);
        refusal ??= QueryParameters.CheckNames(context.Request) ?? Check(request.Version, request.Comment, new FieldErrors());
        Review review = null!;
        if (refusal is null)
        {
            (refusal, review) = await context.FindReviewAsync(reads);
        }

        var answer = request?.Continue == true ? WaitAnswer.Continued : WaitAnswer.Rejected;
        refusal ??=
            ReviewAddress.RefuseDecision(review, context.User.GetCaller().KeyId, request!.Version)
            ?? RefuseContinue(review, answer)
            ?? await DecideAsync(context, review, new(answer) { Words = new ReviewWords(request.Comment, null).ToColumn() });
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
        }
    }

    private static Refusal? RefuseContinue(Review review, WaitAnswer answer) =>
        answer == WaitAnswer.Continued && review.Reason == ReviewReasons.Step
            ? ProblemTypes.InvalidValue.At(
                "continue",
                "continue is true, and a workflow's step asks, which has nobody who could make the value anew. Change the value and approve it, or reject it."
            )
            : null;

    private static Refusal? Check(ApproveReviewRequest request)
    {
        var errors = new FieldErrors();
        errors.CheckText("text", request.Text, MaxText);
        if (request.Override == true && string.IsNullOrWhiteSpace(request.Comment))
        {
            errors.Add("comment", "is missing; say why a text that breaks the contract is right.");
        }

        return Check(request.Version, request.Comment, errors);
    }

    private static Refusal? Check(int? version, string? comment, FieldErrors errors)
    {
        if (version is null)
        {
            errors.Add("version", "is missing; send the version of the review that was seen.");
        }

        errors.CheckText("comment", comment, MaxComment);
        return errors.ToRefusal();
    }

    private Refusal? Approve(Review review, ApproveReviewRequest request, out ReviewReply reply)
    {
        // Nothing to take as the result: what was asked is whether the job may go on.
        if (string.IsNullOrEmpty(review.Proposal) && request.Text is null)
        {
            reply = new(WaitAnswer.Continued) { Words = new ReviewWords(request.Comment, null) { Approved = true }.ToColumn() };
            return null;
        }

        reply = new(WaitAnswer.Accepted);
        var text = request.Text == review.Proposal ? null : request.Text;
        ContractCheck? check = null;
        if (text is not null && review.Contract is { } contract)
        {
            var found = contracts.Check(Checkable(review, contract), text, finishReason: null, ReviewInput.TextOf(review.Input));
            if (!found.IsValid && request.Override != true)
            {
                return Violated(found.Check);
            }

            (text, check) = (found.IsValid ? found.Text : text, found.Check);
        }

        reply = reply with
        {
            Text = text,
            Overrides = check is not null && check.Verdict != Verdicts.Valid,
            Words = new ReviewWords(request.Comment, check).ToColumn(),
        };
        return null;
    }

    /// <summary>What passages, files and tools said is not kept with the job: who quotes from there answers for it.</summary>
    private static OutputContract Checkable(Review review, OutputContract contract) =>
        review.MayQuoteMore ? contract with { Rules = contract.Rules?.Where(rule => rule.Rule != ContractRules.Cited).ToList() } : contract;

    private static Refusal Violated(ContractCheck check)
    {
        var errors = new FieldErrors();
        foreach (var violation in check.Violations)
        {
            errors.Add("text" + violation.Path, violation.Message);
        }

        var told = string.Join(' ', check.Violations.Select(each => $"{(each.Path.Length == 0 ? "The text" : each.Path)} {each.Message}"));
        return ProblemTypes.ContractViolated.With(
            $"The text breaks the job's contract ({check.Verdict}): {told} Mend it, or send override with a comment that says why it is right."
        ) with
        {
            Errors = errors.ToRefusal()?.Errors,
        };
    }

    /// <returns>Why it does not count, or null when the answer has been sent.</returns>
    private async Task<Refusal?> DecideAsync(HttpContext context, Review seen, ReviewReply reply)
    {
        var by = context.User.GetCaller().KeyId;
        // None: whether it counted must not depend on a caller that leaves; the limit of every statement bounds it.
        var outcome = await answers.ReviewedAsync(
            context.WaitOf(seen),
            reply with
            {
                By = by,
                Version = seen.Version,
            },
            CancellationToken.None
        );
        var (refusal, now) = await context.FindReviewAsync(reads);
        if (refusal is not null)
        {
            return refusal;
        }

        if (outcome is not AnswerOutcome.Taken)
        {
            return ReviewAddress.RefuseDecision(now, by, seen.Version)
                ?? ProblemTypes.ReviewDecided.With(
                    $"The job of review {now.Id} does not wait any more: it was cancelled, or its deadline has passed."
                );
        }

        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, now, WireJson.Default.Review);
        return null;
    }
}
