using AiBackend.Web.Components;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Rendering;
using Microsoft.AspNetCore.Components.Web;

namespace AiBackend.Tests.Web;

public sealed class AiBoundaryTests
{
    [Fact]
    public async Task U_57_a_part_that_breaks_says_so_and_leaves_the_rest_alone()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddRazorComponents();
        await using var app = builder.Build();
        await using var renderer = new HtmlRenderer(app.Services, app.Services.GetRequiredService<ILoggerFactory>());

        var html = await renderer.Dispatcher.InvokeAsync(async () => (await renderer.RenderComponentAsync<TwoParts>()).ToHtmlString());

        Assert.Contains("ran into a defect", html, StringComparison.Ordinal);
        Assert.Contains("the other part", html, StringComparison.Ordinal);
        Assert.DoesNotContain("secret detail", html, StringComparison.Ordinal);
    }

    private sealed class TwoParts : ComponentBase
    {
        protected override void BuildRenderTree(RenderTreeBuilder builder)
        {
            builder.OpenComponent<AiBoundary>(0);
            builder.AddAttribute(
                1,
                nameof(AiBoundary.ChildContent),
                (RenderFragment)(
                    part =>
                    {
                        part.OpenComponent<Broken>(0);
                        part.CloseComponent();
                    }
                )
            );
            builder.CloseComponent();
            builder.OpenComponent<AiBoundary>(2);
            builder.AddAttribute(3, nameof(AiBoundary.ChildContent), (RenderFragment)(part => part.AddContent(0, "the other part")));
            builder.CloseComponent();
        }
    }

    private sealed class Broken : ComponentBase
    {
        protected override void OnInitialized() => throw new InvalidOperationException("secret detail");
    }
}
