using AiBackend.ApiContracts.Tools;
using Microsoft.Playwright;

namespace AiBackend.Tests.Web.Browser;

/// <summary>What a run has changed elsewhere, and what nobody knows of it, where its reader looks.</summary>
public sealed class RunEffectsTests(BrowserFixture browser) : IClassFixture<BrowserFixture>, IAsyncLifetime
{
    private ScriptedApi _api = null!;
    private SiteProcess _site = null!;

    public async ValueTask InitializeAsync()
    {
        _api = await ScriptedApi.StartAsync();
        _site = await SiteProcess.StartAsync("Development", _api.Address);
    }

    public async ValueTask DisposeAsync()
    {
        _site.Dispose();
        await _api.DisposeAsync();
    }

    [Fact]
    public async Task Each_effect_is_shown_with_its_class_its_id_and_how_far_it_is()
    {
        _api.ToolCalls = _ =>
            new([
                Call("look", ToolEffects.Read, ToolCallStates.Done),
                Call("note", ToolEffects.WriteIdempotent, ToolCallStates.Sent),
                Call("pay", ToolEffects.Write, ToolCallStates.Done),
                Call("mail", ToolEffects.Write, ToolCallStates.OutcomeUnknown),
                Call("order", ToolEffects.Write, ToolCallStates.AwaitingApproval),
                Call("ring", ToolEffects.Write, ToolCallStates.Failed),
                Call("ask", ToolEffects.ExternalWait, ToolCallStates.Sent),
                Call("drop", ToolEffects.Write, ToolCallStates.Recorded),
                Call("gone", null, ToolCallStates.Failed),
            ]);
        _api.Finish("");
        _api.Known = 1;
        await using var visit = await Visit.BeginAsync(browser.Browser, _site.Address);

        await visit.OpenAsync(_api.Job.Id);
        await Visit.CompleteAsync(visit.Page);

        await ShowsAsync(visit, "look", "read", "only reads · done", hasId: false);
        await ShowsAsync(visit, "note", "write_idempotent", "writes, and may be repeated · sent");
        await ShowsAsync(visit, "pay", "write", "writes · confirmed");
        await ShowsAsync(visit, "mail", "write", "writes · nobody knows what came of it");
        await ShowsAsync(visit, "order", "write", "writes · waits for approval");
        await ShowsAsync(visit, "ring", "write", "writes · failed");
        await ShowsAsync(visit, "ask", "external_wait", "made by its client · waits for its client");
        await ShowsAsync(visit, "drop", "write", "writes · about to be sent");
        await ShowsAsync(visit, "gone", null, "no such tool · failed", hasId: false);
        visit.AssertClean();
    }

    private static async Task ShowsAsync(Visit visit, string tool, string? effect, string words, bool hasId = true)
    {
        var call = visit.Page.Locator("[data-tool-call]").Filter(new() { Has = visit.Page.Locator($"code:text-is('{tool}')") });
        await Assertions.Expect(call).ToContainTextAsync(words);
        await Assertions
            .Expect(call.Locator(effect is null ? "span:not([data-effect])" : $"[data-effect={effect}]").First)
            .ToBeAttachedAsync();
        await Assertions.Expect(call.Locator($"[data-effect-id='{IdOf(tool)}']")).ToHaveCountAsync(hasId ? 1 : 0);
    }

    private static string IdOf(string tool) => $"effect-of-{tool}";

    private static JobToolCall Call(string tool, string? effect, string state) =>
        new(1, $"call-{tool}", tool, 1, effect, "{}", IdOf(tool), state);
}
