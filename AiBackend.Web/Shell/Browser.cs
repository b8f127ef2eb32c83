using Microsoft.JSInterop;

namespace AiBackend.Web.Shell;

/// <summary>What pages ask of the browser. Calls do nothing once the circuit is gone.</summary>
internal sealed class Browser(IJSRuntime js) : IAsyncDisposable
{
    private Task<IJSObjectReference>? _module;

    /// <summary>Copies and tells whether the text is in the clipboard.</summary>
    public async Task<bool> CopyAsync(string text) => await InvokeAsync<bool>("copy", text);

    public async Task<string?> RecallAsync(string name) => await InvokeAsync<string?>("recall", name);

    public async Task RememberAsync(string name, string? value) => await InvokeAsync<object?>("remember", name, value);

    /// <summary>Calls <c>OnVisibilityChanged(bool)</c> of <paramref name="page"/> now and whenever the tab is hidden or shown.</summary>
    public async Task WatchVisibilityAsync<T>(DotNetObjectReference<T> page)
        where T : class => await InvokeAsync<object?>("watchVisibility", page);

    public async Task UnwatchVisibilityAsync() => await InvokeAsync<object?>("unwatchVisibility");

    public async ValueTask DisposeAsync()
    {
        if (_module is { IsCompletedSuccessfully: true })
        {
            try
            {
                await (await _module).DisposeAsync();
            }
            catch (JSDisconnectedException)
            {
                // The browser went first.
            }
        }
    }

    private async Task<T?> InvokeAsync<T>(string function, params object?[] arguments)
    {
        try
        {
            _module ??= js.InvokeAsync<IJSObjectReference>("import", "./js/browser.js").AsTask();
            return await (await _module).InvokeAsync<T>(function, arguments);
        }
        catch (Exception failure) when (failure is JSDisconnectedException or OperationCanceledException)
        {
            return default;
        }
    }
}
