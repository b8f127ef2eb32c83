using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Prompts;
using AiBackend.Core.Prompts;

namespace AiBackend.Api.Prompts;

/// <summary><c>/api/v1/prompts/{name}/labels</c>: which version jobs get.</summary>
internal sealed class PromptLabelRequests(PromptRequests prompts, PromptLabels labels)
{
    public async Task PutAsync(HttpContext context)
    {
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.PromptLabelRequest);
        var (unknown, prompt) = refusal is null ? await prompts.FindAsync(context) : (null, null);
        PromptLabel? set = null;
        if ((refusal ??= unknown ?? Check(LabelOf(context), request, prompt!)) is null)
        {
            var by = context.User.GetCaller().KeyId;
            set = await labels.SetAsync(context.GetTenantId(), prompt!.Name, LabelOf(context), request, by, context.RequestAborted);
            refusal = set is null
                ? ProblemTypes.InvalidValue.With(
                    $"{prompt.Name} has {PromptLabels.MostLabels} labels, which is as many as it may. Use one of them."
                )
                : null;
        }

        await AnswerAsync(context, refusal, set);
    }

    public async Task RollBackAsync(HttpContext context)
    {
        var (refusal, prompt) = await prompts.FindAsync(context);
        PromptLabel? set = null;
        if (refusal is null)
        {
            var (by, label) = (context.User.GetCaller().KeyId, LabelOf(context));
            set = await labels.RollBackAsync(context.GetTenantId(), prompt!.Name, label, by, context.RequestAborted);
            refusal = set is null
                ? ProblemTypes.NothingToRollBack.With(
                    $"The label {Quoted.Of(label)} of {prompt.Name} said nothing before what it says now. PUT /api/v1/prompts/{prompt.Name}/labels/{{label}} sets one."
                )
                : null;
        }

        await AnswerAsync(context, refusal, set);
    }

    public async Task HistoryAsync(HttpContext context)
    {
        var (refusal, prompt) = await prompts.FindAsync(context);
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        var list = await labels.HistoryAsync(context.GetTenantId(), prompt!.Name, LabelOf(context), context.RequestAborted);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, new PromptLabelList(list), WireJson.Default.PromptLabelList);
    }

    private static Refusal? Check(string label, PromptLabelRequest request, Prompt prompt)
    {
        var errors = new FieldErrors();
        if (!PromptNames.IsName(label) || label == PromptNames.Latest)
        {
            errors.Add(
                "label",
                $"is {Quoted.Of(label)}; it must be a name in lower case, such as production, and not latest, which is always the newest version."
            );
        }

        CheckVersion("version", request.Version, prompt, errors);
        if (request.Canary is { } canary)
        {
            CheckVersion("canary.version", canary.Version, prompt, errors);
            if (canary.Percent is not (> 0 and <= 100))
            {
                errors.Add("canary.percent", "must be above 0 and at most 100.");
            }
        }

        return errors.ToRefusal();
    }

    private static void CheckVersion(string place, int? version, Prompt prompt, FieldErrors errors)
    {
        if (version is not { } given || given < 1 || given > prompt.Latest)
        {
            errors.Add(place, FormattableString.Invariant($"must be a version of {prompt.Name}, from 1 to {prompt.Latest}."));
        }
    }

    private static string LabelOf(HttpContext context) => (string)context.Request.RouteValues["label"]!;

    private static Task AnswerAsync(HttpContext context, Refusal? refusal, PromptLabel? label) =>
        refusal is null
            ? JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, label!, WireJson.Default.PromptLabel)
            : context.RefuseAsync(refusal);
}
