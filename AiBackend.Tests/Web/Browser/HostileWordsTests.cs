using AiBackend.Core.Tenancy;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Tenancy;
using Microsoft.Playwright;
using static AiBackend.Tests.Tenancy.KeyApiTests;

namespace AiBackend.Tests.Web.Browser;

/// <summary>A tenant whose every word is an attack, looked at by an administrator on every page of the site in front of the real Api.</summary>
public sealed class HostileWordsTests(ApiServer api, BrowserFixture browser) : IClassFixture<ApiServer>, IClassFixture<BrowserFixture>
{
    private const string Attack = "\"'><svg onload=window.hit=1><img src=//evil.example/x>";

    private const string Password = "correct horse battery";

    /// <summary>How often the attack stands on a page as text: in its main part, in its fields, and in its title.</summary>
    private const string Count = """
        attack => {
          document.querySelectorAll('details').forEach(each => each.open = true);
          const texts = [document.title, document.querySelector('main').textContent];
          document.querySelectorAll('main textarea, main input').forEach(each => texts.push(each.value));
          return texts.map(text => text.replaceAll('\\"', '"').split(attack).length - 1).reduce((sum, each) => sum + each, 0);
        }
        """;

    /// <summary>Pages, how many words of others each shows at least, and what is pressed to see more of them.</summary>
    private static readonly (string Path, int Words, string? Press)[] Pages =
    [
        ("/reviews", 1, null),
        ("/reviews/{/reviews}", 4, null),
        ("/dead-letters", 2, null),
        ("/dead-letters/{/dead-letters}", 4, "button[aria-label^='Edit and replay']"),
        ("/prompts", 1, null),
        ("/prompts/planted", 3, "[data-version='1'] button"),
        ("/workflows", 1, null),
        ("/workflows/planted", 3, null),
        ("/runs", 3, null),
        ("/runs/{/jobs}", 3, null),
        ("/runs/{/dead}", 3, null),
        ("/runs/{/runs}", 3, "[data-again=ask]"),
        ("/webhooks", 3, "button[aria-label^='Remove']"),
        ("/webhooks/{/webhooks}", 0, null),
        ("/ops", 3, null),
        ("/costs?by=feature", 1, null),
        ("/keys", 2, "button[aria-label^='Revoke']"),
        ("/users", 1, null),
    ];

    [Fact]
    public async Task A_50_words_of_others_are_text_on_every_page_and_in_its_title()
    {
        var tenant = await PlantedTenant.AddAsync(api, api.Key, Attack);
        await PlantForOperatorsAsync();
        using var site = await SiteProcess.StartAsync("Development", api.Address, requireSignIn: true);
        await using var visit = await SignInAsync(site);

        foreach (var (path, words, press) in Pages)
        {
            var address = tenant.Ids.Aggregate(path, (all, id) => all.Replace($"{{{id.Key}}}", id.Value, StringComparison.Ordinal));
            await visit.OpenAsync(address);
            if (press is not null)
            {
                await visit.Page.Locator(press).First.ClickAsync();
            }

            if (words == 0)
            {
                // It shows no words of others, however long it is looked at: what it lists has to be there.
                await visit.Page.Locator("[data-deliveries] [data-message]").First.WaitForAsync();
            }

            await Eventually.GetAsync(
                _ => visit.Page.EvaluateAsync<int>(Count, Attack),
                seen => seen >= words,
                $"{path} shows {words} words of others",
                TimeSpan.FromSeconds(20)
            );
            await InjectedMarkup.AssertNoneAsync(visit.Page);
        }

        await Assertions.Expect(visit.Page.Locator("nav select")).ToContainTextAsync(Attack);
        await visit.OpenAsync($"/dead-letters/{tenant.Ids["/dead-letters"]}");
        await Assertions.Expect(visit.Page).ToHaveTitleAsync($"{Attack} · AiBackend");
        visit.AssertClean();
    }

    /// <summary>What only operators see: names of projects and people, of workers, and why something is held back.</summary>
    private async Task PlantForOperatorsAsync()
    {
        var name = System.Text.Json.JsonSerializer.Serialize(Attack);
        foreach (
            var (path, body) in ((string, string)[])
                [
                    ("/api/v1/users", $$"""{"email":"root@example.com","role":"admin","password":"{{Password}}"}"""),
                    ("/api/v1/tenants", $$"""{"slug":"odd","name":{{name}},"organisation":"default"}"""),
                    ("/api/v1/queues/pause", $$"""{"kind":"model","name":"sim","reason":{{name}}}"""),
                ]
        )
        {
            var made = await SendAsync(api.Http, HttpMethod.Post, path, body);
            Assert.True((int)made.Status is 200 or 201, made.Body.ToString());
        }

        await PlantedTenant.ScalarAsync<int>(
            api,
            """
            WITH worker AS (INSERT INTO workers (id, name, slots, busy) VALUES (gen_random_uuid(), $1, 1, 0))
            INSERT INTO users (id, organisation_id, email, name, role, password)
            VALUES (gen_random_uuid(), $2, $1, $1, 0, '-') RETURNING 1
            """,
            Attack,
            ApiKeyStore.DefaultTenant
        );
    }

    private async Task<Visit> SignInAsync(SiteProcess site)
    {
        var visit = await Visit.BeginAsync(browser.Browser, site.Address);
        await visit.Page.GotoAsync("/sign-in");
        await visit.Page.GetByLabel("E-mail address").FillAsync("root@example.com");
        await visit.Page.GetByLabel("Password").FillAsync(Password);
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await visit.Page.Locator("main[data-interactive]").WaitForAsync();
        return visit;
    }
}
