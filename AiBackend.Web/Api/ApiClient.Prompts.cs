using AiBackend.ApiContracts.Prompts;
using static System.FormattableString;

namespace AiBackend.Web.Api;

/// <content>Stored prompts.</content>
internal sealed partial class ApiClient
{
    public Task<ApiResult<PromptList>> ListPromptsAsync(CancellationToken cancellationToken) =>
        GetAsync("api/v1/prompts", ClientJson.Lenient.PromptList, cancellationToken);

    public Task<ApiResult<Prompt>> GetPromptAsync(string name, CancellationToken cancellationToken) =>
        GetAsync(PromptPath(name), ClientJson.Lenient.Prompt, cancellationToken);

    public Task<ApiResult<PromptVersionList>> ListPromptVersionsAsync(string name, CancellationToken cancellationToken) =>
        GetAsync(PromptPath(name) + "/versions", ClientJson.Lenient.PromptVersionList, cancellationToken);

    public Task<ApiResult<PromptDiff>> ComparePromptAsync(string name, int from, int to, CancellationToken cancellationToken) =>
        GetAsync(PromptPath(name) + Invariant($"/diff?from={from}&to={to}"), ClientJson.Lenient.PromptDiff, cancellationToken);

    public Task<ApiResult<PromptLabel>> SetPromptLabelAsync(
        string name,
        string label,
        PromptLabelRequest says,
        CancellationToken cancellationToken
    ) =>
        ActAsync(
            new(HttpMethod.Put, LabelPath(name, label)) { Content = JsonContent.Create(says, ClientJson.Lenient.PromptLabelRequest) },
            ClientJson.Lenient.PromptLabel,
            cancellationToken
        );

    public Task<ApiResult<PromptLabel>> RollBackPromptAsync(string name, string label, CancellationToken cancellationToken) =>
        ActAsync(new(HttpMethod.Post, LabelPath(name, label) + "/rollback"), ClientJson.Lenient.PromptLabel, cancellationToken);

    private static string PromptPath(string name) => "api/v1/prompts/" + Uri.EscapeDataString(name);

    private static string LabelPath(string name, string label) => PromptPath(name) + "/labels/" + Uri.EscapeDataString(label);
}
