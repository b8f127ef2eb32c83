using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Money;
using Microsoft.Playwright;

namespace AiBackend.Tests.Web.Browser;

/// <summary>Pages other than the answer itself that show what a model, a provider or a caller wrote.</summary>
public sealed class HostilePagesTests(BrowserFixture browser) : StubbedSite(browser)
{
    /// <summary>Of one line, as titles, errors and names are.</summary>
    private static readonly string Attack = string.Concat(
        HostileTexts.Pieces.Where(piece => !piece.Any(char.IsControl) && piece.Contains('<', StringComparison.Ordinal))
    );

    private protected override void Prepare()
    {
        var failed = Jobs.Some(JobStatuses.Failed) with
        {
            Title = Attack,
            Feature = Attack,
            Model = Attack,
            FinishedAt = Jobs.CreatedAt.AddSeconds(1),
            Error = new JobError("provider_error", "provider_error", Attack, Retryable: false),
            Metadata = new Dictionary<string, string>(StringComparer.Ordinal) { [Attack] = Attack },
        };
        Api.Runs = [failed, Jobs.Some(JobStatuses.Queued) with { Title = Attack, Model = Attack }];
        Api.Usage =
        [
            new UsageRow
            {
                Feature = Attack,
                Model = Attack,
                Provider = Attack,
                Calls = 1,
                CostUsd = 1,
            },
        ];
    }

    [Theory]
    [InlineData("/runs")]
    [InlineData("/ask")]
    [InlineData("/costs?by=feature")]
    [InlineData("/costs?by=model")]
    [InlineData("run")]
    public async Task A_50_hostile_titles_errors_and_names_are_text_on_every_page(string path)
    {
        await using var visit = await Visit.BeginAsync(Browser.Browser, Site.Address);

        await visit.OpenAsync(path == "run" ? $"/runs/{Api.Runs[0].Id}" : path);
        await visit.Page.GetByText("<svg onload=window.hit=1>").First.WaitForAsync(new() { State = WaitForSelectorState.Attached });

        await InjectedMarkup.AssertNoneAsync(visit.Page);
        visit.AssertClean();
    }
}
